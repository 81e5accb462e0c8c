"""What each kind of source must be told, checked before it is stored."""

from collections.abc import Callable
from typing import Any

from agentops.common.types import JsonObject
from runs.engine.sources import SourceKind
from runs.services.checks import cleaned, misfit
from runs.services.incoming import checked_text

# Which members each kind takes; those with a default may be left out.
_MEMBERS: dict[SourceKind, dict[str, Any]] = {
    SourceKind.WEBHOOK: {"key_pointer": ""},
    SourceKind.GITHUB: {"key_pointer": "/repository/full_name"},
}


def checked_settings(kind: SourceKind, given: Any) -> JsonObject:
    """Return the settings of a source, defaults filled in.

    Raises: InvalidInputError with pointers.
    """
    known = _MEMBERS.get(kind)
    if known is None:
        raise misfit("/kind", f"{kind.value} cannot be used yet")
    told = cleaned(given if given is not None else {}, what="the settings")
    if not isinstance(told, dict):
        raise misfit("/settings", "must be an object")
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise misfit(f"/settings/{unknown[0]}", f"is not known; a {kind.value} takes {', '.join(known)}")
    settings = known | told
    for name, check in _CHECKS.items():
        if name in settings:
            check(f"/settings/{name}", settings[name])
    return settings


def _pointer(place: str, value: Any) -> None:
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise misfit(place, "must be a JSON pointer into the payload, such as /invoice/number, or empty")
    checked_text(place, value, may_be_empty=True)


_CHECKS: dict[str, Callable[[str, Any], None]] = {"key_pointer": _pointer}
