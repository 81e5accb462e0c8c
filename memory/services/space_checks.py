"""Checks of a space's settings."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from memory.engine.kinds import SpaceKind, WritePolicy
from runs.services.checks import check_text, misfit

_SLUG = re.compile(r"(?=.{2,60}\Z)[a-z0-9]+(-[a-z0-9]+)*")
MAX_TTL_SECONDS = 10 * 366 * 86_400
MAX_HALF_LIFE_DAYS = 36_600.0
MAX_MAX_ITEMS = 10_000_000
RESERVED = frozenset({"new", "search", "runs", "spaces"})


def check_slug(slug: str) -> None:
    """Refuse what cannot be the name of a space."""
    if not _SLUG.fullmatch(slug) or slug in RESERVED:
        raise misfit(
            "/slug",
            f"must have 2 to 60 lower-case letters, digits and single hyphens, and not be one of {', '.join(sorted(RESERVED))}",
        )


def checked_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings, checked. Raises: InvalidInputError with a pointer."""
    for name, value in given.items():
        _CHECKS[name](f"/{name}", value)
    return given


def _title(pointer: str, value: Any) -> None:
    check_text(pointer, value, 200)


def _kind(pointer: str, value: Any) -> None:
    if value not in set(SpaceKind):
        raise misfit(pointer, f"must be one of {', '.join(SpaceKind)}")


def _policy(pointer: str, value: Any) -> None:
    if value not in set(WritePolicy):
        raise misfit(pointer, f"must be one of {', '.join(WritePolicy)}")


def _number(pointer: str, value: Any, most: float) -> None:
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 < value <= most
    ):
        raise misfit(pointer, f"must be more than 0 and at most {most:,.0f}, or null for none")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "title": _title,
    "kind": _kind,
    "write_policy": _policy,
    "default_ttl_seconds": partial(_number, most=MAX_TTL_SECONDS),
    "half_life_days": partial(_number, most=MAX_HALF_LIFE_DAYS),
    "max_items": partial(_number, most=MAX_MAX_ITEMS),
}
