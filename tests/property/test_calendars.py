"""Business time: every law holds over changes of the clock, holidays and odd zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.engine.calendars import (
    ALWAYS,
    Calendar,
    CalendarError,
    Hours,
    add_business_seconds,
    business_seconds_between,
    calendar_data,
    calendar_of,
    is_open,
    next_open,
)
from approvals.engine.sla import (
    ClockState,
    End,
    Kind,
    PolicyError,
    due_at,
    elapsed_at,
    marks_of,
    paused,
    policy_data,
    policy_of,
    resumed,
)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
]
NINE_TO_FIVE = ((Hours(540, 1020),),) * 5 + ((),) * 2


@st.composite
def days(draw: st.DrawFn) -> tuple[Hours, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 96).map(lambda n: n * 15), max_size=6)))
    return tuple(Hours(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False))


CALENDARS = st.builds(
    Calendar,
    st.sampled_from(ZONES),
    st.tuples(*[days()] * 6, days().filter(bool)),
    st.frozensets(st.dates(date(2025, 1, 1), date(2026, 12, 31)), max_size=5),
)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1)).map(lambda at: at.replace(tzinfo=UTC))
SECONDS = st.integers(1, 10 * 86400)


@given(CALENDARS, INSTANTS, SECONDS)
def test_as_many_seconds_lie_between_as_were_added(calendar: Calendar, at: datetime, seconds: int) -> None:
    assert business_seconds_between(calendar, at, add_business_seconds(calendar, at, seconds)) == seconds


@given(CALENDARS, INSTANTS, SECONDS, SECONDS)
def test_adding_in_two_steps_is_adding_at_once(calendar: Calendar, at: datetime, one: int, two: int) -> None:
    stepped = add_business_seconds(calendar, add_business_seconds(calendar, at, one), two)
    assert stepped == add_business_seconds(calendar, at, one + two)


@given(CALENDARS, INSTANTS, st.integers(0, 10**6), SECONDS)
def test_later_beginnings_and_longer_times_never_end_earlier(
    calendar: Calendar, at: datetime, later: int, seconds: int
) -> None:
    due = add_business_seconds(calendar, at, seconds)
    assert add_business_seconds(calendar, at + timedelta(seconds=later), seconds) >= due
    assert add_business_seconds(calendar, at, seconds + 1) > due


@given(CALENDARS, INSTANTS)
def test_the_next_open_instant_is_open_and_none_lies_before_it(calendar: Calendar, at: datetime) -> None:
    opens = next_open(calendar, at)
    assert opens >= at
    assert is_open(calendar, opens)
    assert business_seconds_between(calendar, at, opens) == 0
    assert next_open(calendar, opens) == opens


@given(CALENDARS, INSTANTS, SECONDS)
def test_what_is_due_is_due_while_it_is_open(calendar: Calendar, at: datetime, seconds: int) -> None:
    due = add_business_seconds(calendar, at, seconds)
    assert is_open(calendar, due - timedelta(seconds=1)), "the last second that counted"
    day = (due - timedelta(seconds=1)).astimezone(ZoneInfo(calendar.time_zone)).date()
    assert day not in calendar.holidays or (day - timedelta(days=1)) not in calendar.holidays


@given(CALENDARS)
def test_a_calendar_survives_being_stored(calendar: Calendar) -> None:
    assert calendar_of(calendar_data(calendar)) == calendar


@given(INSTANTS, SECONDS)
def test_always_is_the_wall_clock(at: datetime, seconds: int) -> None:
    assert add_business_seconds(ALWAYS, at, seconds) == at + timedelta(seconds=seconds)
    slow = Calendar(week=((Hours(0, 1440),),) * 7, holidays=frozenset({date(1999, 1, 1)}))
    assert add_business_seconds(slow, at, seconds) == at + timedelta(seconds=seconds)


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-03-27 16:00", 2, "2026-03-30 10:00"),  # over the weekend on which summer begins
        ("2026-10-23 16:00", 2, "2026-10-26 10:00"),  # and ends
        ("2026-12-24 16:30", 1, "2026-12-28 09:30"),  # Christmas is a holiday
        ("2026-03-30 05:00", 8, "2026-03-30 17:00"),
        ("2026-03-30 17:00", 8, "2026-03-31 17:00"),
    ],
)
def test_office_hours_in_berlin(start: str, hours: int, due: str) -> None:
    calendar = Calendar("Europe/Berlin", NINE_TO_FIVE, frozenset({date(2026, 12, 25)}))
    assert add_business_seconds(calendar, at(start), hours * 3600) == at(due)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_day_has_the_hours_that_it_has(day: str, hours: int) -> None:
    """Seen by a calendar that is open on Sundays and Mondays only, so that the walk is not left out."""
    week = ((Hours(0, 1440),), *((),) * 5, (Hours(0, 1440),))
    calendar = Calendar("Europe/Berlin", week)
    start = at(f"{day} 00:00")
    end = at(f"{day} 00:00") + timedelta(days=1)
    assert business_seconds_between(calendar, start, end) == hours * 3600


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"time_zone": "Mars/Olympus", "week": [[]] * 7},
        {"time_zone": "UTC", "week": [[]] * 7},
        {"time_zone": "UTC", "week": [[["09:00", "17:00"]]] * 6},
        {"time_zone": "UTC", "week": [[["17:00", "09:00"]]] * 7},
        {"time_zone": "UTC", "week": [[["09:00", "12:00"], ["11:00", "13:00"]]] * 7},
        {"time_zone": "UTC", "week": [[["9", "17"]]] * 7},
        {"time_zone": "UTC", "week": [[["09:00", "24:01"]]] * 7},
        {"time_zone": "UTC", "week": [[["09:00", "17:00"]]] * 7, "holidays": ["Christmas"]},
        {"time_zone": "../../etc/passwd", "week": [[["09:00", "17:00"]]] * 7},
    ],
)
def test_a_calendar_that_cannot_be_is_refused_with_a_sentence(data: dict[str, object]) -> None:
    with pytest.raises(CalendarError, match=r"\w+ .*\w"):
        calendar_of(data)


POLICY: dict[str, object] = {
    "name": "Payments", "first_response_seconds": 3600, "decision_seconds": 8 * 3600, "reminders": [50, 90],
    "levels": [{"after_seconds": 2 * 3600, "targets": ["deciders"], "repeats": 2, "every_seconds": 3600},
               {"after_seconds": 6 * 3600, "targets": ["admins", "user:ada"]}],
    "end_seconds": 24 * 3600, "end": "expire",
}  # fmt: skip


def test_a_policy_survives_being_stored_and_its_marks_are_in_order() -> None:
    policy = policy_of(POLICY)
    assert policy_of(policy_data(policy)) == policy
    assert [(mark.kind.value, mark.n, mark.at_seconds / 3600) for mark in marks_of(policy)] == [
        ("first_response", 0, 1), ("level", 0, 2), ("level", 1, 3), ("remind", 50, 4), ("level", 2, 4),
        ("level", 100, 6), ("remind", 90, 7.2), ("decision", 0, 8), ("end", 0, 24),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"end": "approve"}, {"decision_seconds": 5}, {"decision_seconds": True}, {"reminders": [0]}, {"reminders": [100]},
        {"reminders": "50"}, {"levels": [{"after_seconds": 60, "targets": []}]}, {"end_seconds": 3600},
        {"levels": [{"after_seconds": 60, "targets": ["everybody"]}]}, {"levels": [{"targets": ["admins"]}]},
        {"levels": [{"after_seconds": 23 * 3600, "targets": ["admins"], "repeats": 2, "every_seconds": 3600}]},
        {"levels": [{"after_seconds": 60, "targets": ["admins"], "repeats": 2}]}, {"levels": [7]},
        {"decision_seconds": None}, {"levels": [{"after_seconds": 60, "targets": ["admins"], "repeats": 99}]},
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_with_a_sentence(change: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=r"\w+ .*\w"):
        policy_of(POLICY | change)


def test_there_is_no_end_that_says_yes() -> None:
    assert {end.value for end in End} == {"expire", "cancel_run", "page_admins"}


@settings(max_examples=50)
@given(CALENDARS, INSTANTS, st.lists(st.integers(1, 10**6), min_size=1, max_size=6), SECONDS)
def test_a_pause_puts_off_what_is_due_by_what_it_took(
    calendar: Calendar, start: datetime, spans: list[int], goal: int
) -> None:
    policy = policy_of(POLICY | {"calendar": calendar_data(calendar)})
    [mark] = [mark for mark in marks_of(policy) if mark.kind is Kind.END]
    clock, now, counted = ClockState(0.0, start), start, 0.0
    for number, span in enumerate(spans):
        then = now + timedelta(seconds=span)
        if number % 2:
            assert due_at(policy, clock, mark) is None
            clock = resumed(clock, then)
        else:
            counted += business_seconds_between(calendar, now, then)
            clock = paused(policy, clock, then)
        now = then
    clock = resumed(clock, now)
    assert elapsed_at(policy, clock, now) == pytest.approx(counted)
    due = due_at(policy, clock, mark)
    assert due
    if counted < mark.at_seconds:
        assert business_seconds_between(calendar, now, due) == pytest.approx(mark.at_seconds - counted)
    else:
        assert due == now
