"""A ladder of remedies as people write it: `notify, nudge, hand-off after 30 s, pause after 1 h` (pure)."""

import re
from collections.abc import Sequence

from runs.engine.watch_rules import MAX_SECONDS, REMEDIES, Remedy

UNITS = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
_RUNG = re.compile(
    r"([a-z][a-z _-]*?)(?:\s+after\s+([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]+))?", re.IGNORECASE
)
_LONG = {
    "day": "d",
    "days": "d",
    "hour": "h",
    "hours": "h",
    "minute": "min",
    "minutes": "min",
    "second": "s",
    "seconds": "s",
}


class LadderError(ValueError):
    """A text that is no ladder; the message says what would be."""


def ladder_text(ladder: Sequence[Remedy]) -> str:
    """Return the ladder as it is written; empty for none."""
    return ", ".join(_rung_text(one) for one in ladder)


def ladder_of(text: str) -> list[Remedy]:
    """Return the remedies that a text names, in their order.

    Raises: LadderError
    """
    return [_rung(part.strip()) for part in text.split(",") if part.strip()]


def seconds_text(seconds: float) -> str:
    """Return a length of time in its largest unit that leaves no rest: `90 s`, `5 min`, `3 d`."""
    unit = next((unit for unit, size in UNITS.items() if seconds >= size and seconds % size == 0), "s")
    return f"{seconds / UNITS[unit]:g} {unit}" if seconds < 1e6 or unit != "s" else f"{seconds:.0f} s"


def _rung_text(one: Remedy) -> str:
    name = one.do.replace("_", "-") if one.do == "hand_off" else one.do.replace("_", " ")
    return f"{name} after {seconds_text(one.after_seconds)}" if one.after_seconds else name


def _rung(text: str) -> Remedy:
    found = _RUNG.fullmatch(text)
    known = ", ".join(_rung_text(Remedy(do)) for do in REMEDIES)
    if found is None:
        raise LadderError(
            f"{text[:60]!r} cannot be read; write remedies with commas between them, such as: notify, pause after 1 h"
        )
    do = re.sub(r"[\s-]+", "_", found[1].strip().lower())
    if do not in REMEDIES:
        raise LadderError(f"there is no remedy {found[1].strip()[:60]!r}; there are {known}")
    if found[2] is None:
        return Remedy(do)
    unit = found[3].lower()
    unit = _LONG.get(unit, unit)
    if unit not in UNITS:
        raise LadderError(f"{found[3][:20]!r} is no unit of time; use {', '.join(reversed(UNITS))}")
    seconds = float(found[2]) * UNITS[unit]
    if seconds > MAX_SECONDS:
        raise LadderError(f"{text[:60]!r} is more than a year")
    return Remedy(do, int(seconds) if seconds == int(seconds) else seconds)
