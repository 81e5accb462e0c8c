"""Values of a query → numbers, seconds and instants (pure)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from agentops.common.query import Range, Value, refusal
from runs.search.near import nearest

UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
MAX_NUMBER = 2**62
MAX_AGO_SECONDS = 200 * 366 * 86400
DAY_NAMES = ("today", "yesterday", "this-week")

_AGO = re.compile(r"-(\d{1,6})(m|h|d|w)")
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|min|h|d|w)?")
_MULTIPLES = {"k": 1_000, "m": 1_000_000}


@dataclass(frozen=True, slots=True)
class Span:
    """The time from `start` up to, without it, `end`; a point has both equal. `is_ago`: told as time ago."""

    start: datetime
    end: datetime
    is_ago: bool = False


def number_of(value: Value) -> Decimal:
    """Return a number such as `5`, `2.5` or `10k`. Raises: BadQueryError."""
    text, factor = value.text.removeprefix("$"), 1
    if text[-1:].lower() in _MULTIPLES:
        factor, text = _MULTIPLES[text[-1].lower()], text[:-1]
    try:
        number = Decimal(text) * factor
    except InvalidOperation:
        raise refusal(f"{value.text[:40]!r} is not a number (character {value.at})", value.at) from None
    if not number.is_finite() or abs(number) > MAX_NUMBER:
        raise refusal(f"{value.text[:40]!r} is too large a number, or none (character {value.at})", value.at)
    return number


def seconds_of(value: Value) -> float:
    """Return the seconds of a length of time such as `90s`, `1.5h` or `2d`. Raises: BadQueryError."""
    found = _LENGTH.fullmatch(value.text)
    if found is None:
        told = (
            f"{value.text[:40]!r} is not a length of time (character {value.at}); write 90s, 5m, 1.5h or 2d"
        )
        raise refusal(told, value.at)
    return min(float(found[1]) * UNIT_SECONDS[found[2] or "s"], MAX_AGO_SECONDS)


def span_of(value: Value | Range, now: datetime, zone: ZoneInfo) -> Span:
    """Return the time that a value names, days as they are in `zone`. Raises: BadQueryError."""
    if isinstance(value, Range):
        low, high = span_of(value.low, now, zone), span_of(value.high, now, zone)
        if high.end < low.start:
            raise refusal(f"this time ends before it begins (character {value.at})", value.at)
        return Span(low.start, high.end)
    if found := _AGO.fullmatch(value.text):
        seconds = min(int(found[1]) * UNIT_SECONDS[found[2]], MAX_AGO_SECONDS)
        at = now - timedelta(seconds=seconds)
        return Span(at, at, is_ago=True)
    if value.text == "now":
        return Span(now, now)
    return _day(value.text, now, zone) or _iso(value, zone)


def _day(name: str, now: datetime, zone: ZoneInfo) -> Span | None:
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "today":
        return Span(midnight, _after(midnight, days=1))
    if name == "yesterday":
        return Span(_after(midnight, days=-1), midnight)
    if name == "this-week":
        monday = _after(midnight, days=-midnight.weekday())
        return Span(monday, _after(monday, days=7))
    return None


def _after(midnight: datetime, *, days: int) -> datetime:
    """Return another midnight of the same zone: days there may have 23 or 25 hours."""
    return (midnight.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=midnight.tzinfo)


def _iso(value: Value, zone: ZoneInfo) -> Span:
    try:
        at = datetime.fromisoformat(value.text)
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at
        is_day = len(value.text) <= len("2026-01-31")
        found = Span(at, _after(at, days=1) if is_day else at + _precision(value.text))
    except (ValueError, OverflowError):
        near = nearest(value.text, DAY_NAMES)
        hint = f", did you mean `{near}`?" if near else "; write -1d, today, 2026-01-31 or 2026-01-31T12:00Z"
        raise refusal(f"{value.text[:40]!r} is not a time (character {value.at}){hint}", value.at) from None
    return found


def _precision(text: str) -> timedelta:
    """Return how long the instant is that was written: a minute when no seconds were."""
    clock = re.split(r"[T ]", text, maxsplit=1)[-1]
    return timedelta(seconds=1) if re.match(r"\d\d:?\d\d:?\d\d", clock) else timedelta(minutes=1)
