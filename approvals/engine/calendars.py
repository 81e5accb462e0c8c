"""Business calendars: which instants count, and when so many seconds of them have passed (pure).

Hours are told in local time of an IANA zone, days as they are there: a day of 23 or 25 hours has them. An hour that the
clock repeats counts twice where it is open; one that it leaves out is as much later as the clock jumped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

MINUTES_OF_DAY = 1440
DAYS_OF_WEEK = 7
MAX_DAYS = 3660
MAX_HOLIDAYS = 1000
_DAY = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar that cannot be, or that does not open within MAX_DAYS."""


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of a day, in minutes since midnight; `until` is not in it."""

    start: int
    until: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """`week` has the hours of Monday to Sunday, in order and apart from each other; on `holidays` nothing is open."""

    time_zone: str = "UTC"
    week: tuple[tuple[Hours, ...], ...] = ((Hours(0, MINUTES_OF_DAY),),) * DAYS_OF_WEEK
    holidays: frozenset[date] = field(default=frozenset())

    @property
    def is_always_open(self) -> bool:
        return not self.holidays and all(day == (Hours(0, MINUTES_OF_DAY),) for day in self.week)


ALWAYS = Calendar()


def calendar_of(data: Mapping[str, Any]) -> Calendar:
    """Return the calendar in `{"time_zone", "week": [[["09:00", "17:00"], …] × 7], "holidays": ["2026-12-25", …]}`.

    Raises: CalendarError with a sentence that says what does not fit.
    """
    zone = str(data.get("time_zone", ""))
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise CalendarError(f"{zone[:60]!r} is no time zone; write one such as Europe/Berlin") from None
    week = data.get("week")
    if not isinstance(week, Sequence) or len(week) != DAYS_OF_WEEK:
        raise CalendarError("a week has seven lists of hours, Monday first")
    days = tuple(_hours_of(day) for day in week)
    if not any(days):
        raise CalendarError("it is never open; give it some hours")
    return Calendar(zone, days, _holidays_of(data.get("holidays", ())))


def calendar_data(calendar: Calendar) -> dict[str, Any]:
    """Return the calendar as plain JSON; see calendar_of."""
    return {
        "time_zone": calendar.time_zone,
        "week": [[[_clock(it.start), _clock(it.until)] for it in day] for day in calendar.week],
        "holidays": sorted(day.isoformat() for day in calendar.holidays),
    }


def is_open(calendar: Calendar, at: datetime) -> bool:
    return next_open(calendar, at) == at


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """Return the first instant from `at` on that counts; `at` itself when it does. Raises: CalendarError."""
    for start, end in _open_from(calendar, at):
        if at < end:
            return max(at, start)
    raise _never()


def add_business_seconds(calendar: Calendar, at: datetime, seconds: float) -> datetime:
    """Return the first instant by which `seconds` that count have passed since `at`; in UTC.

    Raises: CalendarError when that is not within MAX_DAYS.
    """
    if calendar.is_always_open or seconds <= 0:
        return at.astimezone(UTC) + timedelta(seconds=max(seconds, 0))
    left = timedelta(seconds=seconds)
    for start, end in _open_from(calendar, at):
        begin = max(at, start)
        if end - begin >= left:
            return begin + left
        left -= max(end - begin, timedelta())
    raise _never()


def business_seconds_between(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Return how many seconds that count lie between the two; 0 when `end` is not later."""
    if end <= start:
        return 0.0
    if calendar.is_always_open:
        return (end - start).total_seconds()
    total = timedelta()
    for opens, closes in _open_from(calendar, start):
        if opens >= end:
            break
        total += max(min(closes, end) - max(opens, start), timedelta())
    return total.total_seconds()


def _open_from(calendar: Calendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the open stretches in UTC, in order and apart, from the day before `at` on, for MAX_DAYS."""
    day = at.astimezone(ZoneInfo(calendar.time_zone)).date() - _DAY
    last = datetime.min.replace(tzinfo=UTC)
    for _ in range(MAX_DAYS):
        if day not in calendar.holidays:
            for start, end in _stretches(calendar, day):
                begin = max(start, last)
                if begin < end:
                    yield begin, end
                    last = end
        day += _DAY


@lru_cache(maxsize=20_000)
def _stretches(calendar: Calendar, day: date) -> tuple[tuple[datetime, datetime], ...]:
    zone = ZoneInfo(calendar.time_zone)
    return tuple(
        (_instant(day, hours.start, zone, is_end=False), _instant(day, hours.until, zone, is_end=True))
        for hours in calendar.week[day.weekday()]
    )


def _instant(day: date, minute: int, zone: ZoneInfo, *, is_end: bool) -> datetime:
    """Return the instant of a local time: where it comes twice, the first for a beginning, the last for an end."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(first, second) if is_end and minute < MINUTES_OF_DAY else first


def _hours_of(day: Any) -> tuple[Hours, ...]:
    if not isinstance(day, Sequence) or isinstance(day, str) or len(day) > 12:
        raise CalendarError('the hours of a day are a list of at most 12 pairs such as ["09:00", "17:00"]')
    found = tuple(sorted((_pair(pair) for pair in day), key=lambda hours: hours.start))
    for before, after in pairwise(found):
        if after.start < before.until:
            raise CalendarError(f"the hours from {_clock(after.start)} on begin before those before them end")
    return found


def _pair(pair: Any) -> Hours:
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise CalendarError('hours are pairs such as ["09:00", "17:00"]')
    start, until = _minute(pair[0]), _minute(pair[1])
    if start >= until:
        raise CalendarError(
            f"{pair[0]}–{pair[1]} ends before it begins; give what passes midnight to both days"
        )
    return Hours(start, until)


def _minute(text: Any) -> int:
    hour, _, minute = str(text).partition(":")
    if hour.isdecimal() and minute.isdecimal() and len(str(text)) == 5:
        found = int(hour) * 60 + int(minute)
        if int(minute) < 60 and found <= MINUTES_OF_DAY:
            return found
    raise CalendarError(f"{str(text)[:20]!r} is no time of a day; write 09:00, up to 24:00")


def _holidays_of(days: Any) -> frozenset[date]:
    if not isinstance(days, Sequence) or isinstance(days, str) or len(days) > MAX_HOLIDAYS:
        raise CalendarError(f"holidays are a list of at most {MAX_HOLIDAYS:,} dates")
    try:
        return frozenset(date.fromisoformat(str(day)) for day in days)
    except ValueError:
        raise CalendarError("a holiday is a date such as 2026-12-25") from None


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _never() -> CalendarError:
    return CalendarError(f"the calendar has not enough open hours within {MAX_DAYS // 366} years")
