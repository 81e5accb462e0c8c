"""What each kind of source must be told, checked before it is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentops.common.types import JsonObject
from runs.engine.sources import SourceKind
from runs.services.checks import check_text, cleaned, misfit
from runs.services.incoming import MAX_CHARACTERS

MAX_PLACE_CHARACTERS = 1000
_NEEDED = object()


def _text(place: str, value: Any) -> None:
    if not isinstance(value, str):
        raise misfit(place, "must be text")
    check_text(place, value, MAX_PLACE_CHARACTERS)


def _text_or_none(place: str, value: Any) -> None:
    if value != "":
        _text(place, value)


def _pointer(place: str, value: Any) -> None:
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise misfit(place, "must be a JSON pointer into the payload, such as /invoice/number, or empty")
    if value:
        check_text(place, value, MAX_CHARACTERS)


def _flag(place: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise misfit(place, "must be true or false")


def _number(least: float, most: float) -> Callable[[str, Any], None]:
    def check(place: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise misfit(place, f"must be a number from {least:,} to {most:,}")

    return check


def _port(place: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise misfit(place, "must be a port: a whole number from 1 to 65535")


@dataclass(frozen=True, slots=True)
class Member:
    """One setting: its default (`is_needed` when it has none), and the check of its value."""

    check: Callable[[str, Any], None]
    default: Any = _NEEDED

    @property
    def is_needed(self) -> bool:
        return self.default is _NEEDED


_DAY = 86_400


def _looked_at(every_seconds: float) -> dict[str, Member]:
    return {
        "every_seconds": Member(_number(1, _DAY), every_seconds),
        "from_start": Member(_flag, default=False),
    }


MEMBERS: dict[SourceKind, dict[str, Member]] = {
    SourceKind.WEBHOOK: {"key_pointer": Member(_pointer, "")},
    SourceKind.GITHUB: {"key_pointer": Member(_pointer, "/repository/full_name")},
    SourceKind.REDIS: {
        "url": Member(_text), "stream": Member(_text), "key_pointer": Member(_pointer, ""), **_looked_at(2),
    },
    SourceKind.FOLDER: {
        "path": Member(_text), "pattern": Member(_text, "*"), "stable_seconds": Member(_number(0, _DAY), 2),
        **_looked_at(5),
    },
    SourceKind.SQL: {
        "table": Member(_text), "column": Member(_text, "id"), "key_pointer": Member(_pointer, ""), **_looked_at(5),
    },
    SourceKind.IMAP: {
        "host": Member(_text), "port": Member(_port, 993), "user": Member(_text), "mailbox": Member(_text, "INBOX"),
        "tls": Member(_flag, default=True), **_looked_at(60),
    },
    SourceKind.RUNS: {"agent": Member(_text_or_none, ""), **_looked_at(1)},
}  # fmt: skip

# The secret that each kind has: made here, or given by the other side; None where it takes none.
SECRETS: dict[SourceKind, str | None] = {
    SourceKind.WEBHOOK: "made",
    SourceKind.GITHUB: "made",
    SourceKind.REDIS: "optional",
    SourceKind.FOLDER: None,
    SourceKind.SQL: "needed",
    SourceKind.IMAP: "needed",
    SourceKind.RUNS: None,
}

# What may be changed without the source being another place, whose position would mean nothing.
KEEPS_POSITION = frozenset({"key_pointer", "every_seconds", "stable_seconds", "from_start"})


def checked_settings(kind: SourceKind, given: Any) -> JsonObject:
    """Return the settings of a source, defaults filled in.

    Raises: InvalidInputError with pointers.
    """
    known = MEMBERS[kind]
    told = cleaned(given if given is not None else {}, what="the settings")
    if not isinstance(told, dict):
        raise misfit("/settings", "must be an object")
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise misfit(
            f"/settings/{unknown[0]}"[:300], f"is not known; a {kind.value} takes {', '.join(known)}"
        )
    missing = [name for name, member in known.items() if member.is_needed and name not in told]
    if missing:
        raise misfit(f"/settings/{missing[0]}", f"is missing; a {kind.value} needs it")
    settings = {name: told.get(name, member.default) for name, member in known.items()}
    for name, member in known.items():
        member.check(f"/settings/{name}", settings[name])
    return settings
