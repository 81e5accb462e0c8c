"""The times of a cron expression in a time zone, through changes of the clocks.

An expression names times of the wall clock. Each happens once: one that the clocks skip happens at the first instant
after the gap, one that they show twice happens the first time. An expression that names every hour means "all the
time" instead: it happens whenever the wall clock shows it, through a repeated hour as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MAX_CHARACTERS = 200
NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_SECOND = timedelta(seconds=1)
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 -- a wall clock's
_NOT_PLACES = frozenset({"Factory", "localtime", "posixrules"})


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    examples: str


_FIELDS = (
    _Field("minute", 0, 59, "0, */15 or 0,30"),
    _Field("hour", 0, 23, "9, 9-17 or */2"),
    _Field("day of the month", 1, 31, "1, 1,15 or L for the last"),
    _Field("month", 1, 12, "*, 1-6 or JAN"),
    _Field("day of the week", 0, 7, "1-5, MON or 5L for the last Friday; 0 and 7 are Sunday"),
)


class CronError(ValueError):
    """An expression that is none; `position` is the character (from 0) where it goes wrong."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


class ZoneError(ValueError):
    """A name that is no time zone's; `suggestion` is one that comes near, or empty."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Timetable:
    """The times of an expression in a zone. Made by `timetable`, which checks both."""

    cron: str
    zone: ZoneInfo

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the instants behind `instant` (which has a zone), in UTC, ascending, each once."""
        return _elapsing(self, instant) if self._is_always() else _once_each(self, instant)

    def upcoming(self, instant: datetime, n_times: int) -> list[datetime]:
        """Return the next instants behind `instant`."""
        return list(islice(self.after(instant), n_times))

    def explain(self) -> str:
        """Return the expression in English, such as "At 09:00 on Monday through Friday"."""
        return CronSim(self.cron, _ANY_DAY).explain()

    def walls(self, wall: datetime) -> Iterator[datetime]:
        """Yield the times of the wall clock behind `wall`."""
        yield from CronSim(self.cron, wall)

    def _is_always(self) -> bool:
        return len(CronSim(self.cron, _ANY_DAY).hours) == 24


@lru_cache(maxsize=1024)
def timetable(cron: str, zone: str) -> Timetable:
    """Return the timetable of an expression in the zone with an IANA name.

    Raises: CronError, ZoneError
    """
    return Timetable(parse_cron(cron), parse_zone(zone))


def parse_zone(name: str) -> ZoneInfo:
    """Return the zone with an IANA name.

    Raises: ZoneError naming one that comes near.
    """
    known = zone_names()
    if name in known:
        return ZoneInfo(name)
    near = _near_zone(name, known)
    hint = f"did you mean {near}?" if near else "name a place, such as Europe/Berlin, or UTC"
    raise ZoneError(f"there is no time zone {name[:64]!r}; {hint}", near)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the IANA names of all zones."""
    return frozenset(available_timezones() - _NOT_PLACES)


def parse_cron(expression: str) -> str:
    """Return the expression in five fields, nicknames such as @daily written out.

    Raises: CronError saying what is wrong and where.
    """
    _check_characters(expression)
    written = NICKNAMES.get(expression.strip().lower(), expression)
    parts = written.split()
    if written.strip().startswith("@"):
        raise CronError(f"there is no {written.strip()}; there are {', '.join(NICKNAMES)}")
    if len(parts) != len(_FIELDS):
        raise CronError(
            _count_words(len(parts)), _place_of(written, 5) if len(parts) > 5 else len(written.rstrip())
        )
    for index, part in enumerate(parts):
        _check_field(_FIELDS[index], part, _place_of(written, index))
    _check_days(parts, _place_of(written, 2))
    return " ".join(parts).upper()


def _check_characters(expression: str) -> None:
    if len(expression) > MAX_CHARACTERS:
        raise CronError(f"a cron expression has at most {MAX_CHARACTERS} characters", MAX_CHARACTERS)
    for position, character in enumerate(expression):
        if not (character.isascii() and (character.isprintable() or character == "\t")):
            raise CronError(f"the character {character!r} has no meaning in a cron expression", position)


def _count_words(n_fields: int) -> str:
    names = ", ".join(field.name for field in _FIELDS)
    return f"a cron expression has five fields ({names}), such as 0 9 * * 1-5; this one has {n_fields}"


def _place_of(written: str, index: int) -> int:
    """Return where the field with this index begins."""
    place = 0
    for part in written.split()[:index]:
        place = written.index(part, place) + len(part)
    return place + len(written[place:]) - len(written[place:].lstrip())


def _check_field(field: _Field, part: str, position: int) -> None:
    """Raise: CronError at the first of the terms, between commas, that does not fit."""
    for term in part.split(","):
        if not _is_known(field, term):
            range_words = f"{field.first} to {field.last}"
            raise CronError(
                f"{term!r} is no {field.name} ({range_words}), such as {field.examples}", position
            )
        _base, slash, step = term.partition("/")
        if slash and int(step) > field.last - field.first + 1:
            raise CronError(f"a step of {step} is longer than the whole {field.name} range", position)
        position += len(term) + 1


def _is_known(field: _Field, term: str) -> bool:
    parts = ["*"] * len(_FIELDS)
    parts[_FIELDS.index(field)] = term
    try:
        CronSim(" ".join(parts), _ANY_DAY)
    except CronSimError:
        return False
    return True


def _check_days(parts: list[str], position: int) -> None:
    """Raise: CronError for a day that none of the months has, such as February 30."""
    try:
        next(CronSim(" ".join(parts), _ANY_DAY))
    except (CronSimError, StopIteration):
        raise CronError("no month that is named has such a day, so it would never happen", position) from None


def _near_zone(name: str, known: frozenset[str]) -> str:
    wanted = name.strip().replace(" ", "_").lower()
    by_lower = {zone.lower(): zone for zone in sorted(known)}
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known, reverse=True)}
    found = by_lower.get(wanted) or by_city.get(wanted)
    near = get_close_matches(wanted, by_lower, n=1, cutoff=0.7) or get_close_matches(
        wanted, by_city, n=1, cutoff=0.75
    )
    return found or (by_lower.get(near[0]) or by_city[near[0]] if near else "")


def _once_each(table: Timetable, instant: datetime) -> Iterator[datetime]:
    last = instant.astimezone(UTC)
    for wall in table.walls(_wall(instant, table.zone)):
        at = _first_instant(wall, table.zone)
        if at > last:
            yield at
            last = at


def _first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when the wall clock first shows `wall`, or when it jumps over it."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(at, zone) == wall:
        return at
    # Read with the offset before the gap, `at` lies behind its end by as much as `wall` lies behind its beginning.
    change = _change(zone, at - timedelta(days=2), at)
    return change or at


def _elapsing(table: Timetable, instant: datetime) -> Iterator[datetime]:
    """Yield every instant at which the wall clock shows a time of the table, one stretch of equal offset at a time."""
    at, zone = instant.astimezone(UTC), table.zone
    wall = _wall(at, zone)
    offset = wall - at.replace(tzinfo=None)
    while (found := next(table.walls(wall), None)) is not None:
        candidate = (found - offset).replace(tzinfo=UTC)
        change = _change(zone, at, candidate)
        if change is None:
            yield candidate
            at, wall = candidate, found
        else:
            at, wall = change, _wall(change, zone) - _SECOND
            offset = wall + _SECOND - change.replace(tzinfo=None)


def _change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """Return the first instant in (start, end] at which the clocks change, which they do at most once a day."""
    before = start
    while before < end:
        behind = min(before + timedelta(days=1), end)
        if _offset(before, zone) != _offset(behind, zone):
            return _bisected(zone, before, behind)
        before = behind
    return None


def _bisected(zone: ZoneInfo, before: datetime, behind: datetime) -> datetime:
    old = _offset(before, zone)
    low, high = int(before.timestamp()), -int(-behind.timestamp() // 1)
    while high - low > 1:
        middle = (low + high) // 2
        is_old = _offset(datetime.fromtimestamp(middle, UTC), zone) == old
        low, high = (middle, high) if is_old else (low, middle)
    return datetime.fromtimestamp(high, UTC)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
