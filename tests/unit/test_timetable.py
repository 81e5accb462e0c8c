"""The times of cron expressions: through changes of the clocks in several zones, and errors that say where."""

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.timetable import CronError, ZoneError, parse_cron, parse_zone, timetable, zone_names

# zone, expression, an instant shortly before, and what the wall clock shows at the next times.
THROUGH_CHANGES = [
    # A time that the clocks skip happens once, at the first instant after the gap.
    ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00Z", ["29 03:00+02:00", "30 02:30+02:00"]),
    ("America/New_York", "30 2 * * *", "2026-03-07T12:00Z", ["08 03:00-04:00", "09 02:30-04:00"]),
    ("America/Santiago", "15 0 * * *", "2026-09-05T12:00Z", ["06 01:00-03:00", "07 00:15-03:00"]),
    ("Australia/Sydney", "0 2 * * *", "2026-10-03T00:00Z", ["04 03:00+11:00", "05 02:00+11:00"]),
    ("Africa/Cairo", "0 0 * * *", "2026-04-23T12:00Z", ["24 01:00+03:00", "25 00:00+03:00"]),
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00Z", ["04 02:30+11:00", "05 02:15+11:00"]),
    ("Pacific/Apia", "0 9 * * *", "2011-12-29T12:00Z", ["29 09:00-10:00", "31 00:00+14:00", "31 09:00+14:00"]),
    # Several times in one gap are one.
    ("Europe/Berlin", "*/20 2 * * *", "2026-03-28T12:00Z", ["29 03:00+02:00", "30 02:00+02:00", "30 02:20+02:00"]),
    ("Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00Z", ["29 03:00+02:00", "30 02:00+02:00"]),
    # A time that the clocks show twice happens the first time only.
    ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00Z", ["25 02:30+02:00", "26 02:30+01:00"]),
    ("America/New_York", "30 1 * * *", "2026-10-31T12:00Z", ["01 01:30-04:00", "02 01:30-05:00"]),
    ("Australia/Sydney", "30 2 * * *", "2026-04-04T00:00Z", ["05 02:30+11:00", "06 02:30+10:00"]),
    ("America/Santiago", "30 23 * * *", "2026-04-04T12:00Z", ["04 23:30-03:00", "05 23:30-04:00"]),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00Z", ["05 01:45+11:00", "06 01:45+10:30"]),
    ("Europe/Berlin", "*/30 2 * * *", "2026-10-24T12:00Z", ["25 02:00+02:00", "25 02:30+02:00", "26 02:00+01:00"]),
    # Seen from within the second hour, the first one has been.
    ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10Z", ["26 02:30+01:00"]),
    # Every hour means all the time: nothing in the gap, and both of the hours that have one name.
    ("Europe/Berlin", "30 * * * *", "2026-03-29T00:00Z", ["29 01:30+01:00", "29 03:30+02:00", "29 04:30+02:00"]),
    ("Europe/Berlin", "30 * * * *", "2026-10-25T00:00Z", ["25 02:30+02:00", "25 02:30+01:00", "25 03:30+01:00"]),
    ("America/New_York", "*/30 * * * *", "2026-11-01T05:15Z", ["01 01:30-04:00", "01 01:00-05:00", "01 01:30-05:00"]),
    ("Australia/Lord_Howe", "45 * * * *", "2026-04-04T14:30Z", ["05 01:45+11:00", "05 01:45+10:30", "05 02:45+10:30"]),
    ("Australia/Lord_Howe", "45 * * * *", "2026-10-03T15:00Z", ["04 01:45+10:30", "04 02:45+11:00", "04 03:45+11:00"]),
    ("Africa/Cairo", "0 * * * 5", "2026-04-23T12:00Z", ["24 01:00+03:00", "24 02:00+03:00"]),
    # Days.
    ("UTC", "0 9 * * MON-FRI", "2026-11-20T12:00Z", ["23 09:00+00:00", "24 09:00+00:00"]),
    ("UTC", "0 9 L * *", "2026-02-01T12:00Z", ["28 09:00+00:00", "31 09:00+00:00"]),
    ("UTC", "0 0 1 * 1", "2026-11-21T12:00Z", ["23 00:00+00:00", "30 00:00+00:00", "01 00:00+00:00"]),
    ("UTC", "0 9 29 2 *", "2026-11-21T12:00Z", ["29 09:00+00:00"]),
    ("Asia/Kathmandu", "@daily", "2026-11-21T12:00Z", ["22 00:00+05:45", "23 00:00+05:45"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "cron", "start", "shown"), THROUGH_CHANGES)
def test_times_through_changes_of_the_clocks(zone: str, cron: str, start: str, shown: list[str]) -> None:
    table = timetable(cron, zone)
    found = table.upcoming(datetime.fromisoformat(start), len(shown))
    assert [at.astimezone(table.zone).isoformat(" ", "minutes")[8:] for at in found] == shown
    assert all(at.tzinfo is UTC for at in found)


@given(
    st.sampled_from(
        ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Tehran"]
    ),
    st.sampled_from(
        ["*/7 * * * *", "30 2 * * *", "0,30 0-3 * * *", "15 */2 * * 0", "59 23 L * *", "5 1 1,15 * 1"]
    ),
    st.datetimes(datetime(2018, 1, 1), datetime(2030, 1, 1)),
)
@settings(deadline=None)
def test_wherever_one_begins_the_times_are_the_same(zone: str, cron: str, start: datetime) -> None:
    table, start = timetable(cron, zone), start.replace(tzinfo=UTC)
    times = table.upcoming(start, 12)
    assert all(a < b for a, b in pairwise([start, *times]))
    for earlier, later in pairwise(times):
        assert next(table.after(earlier)) == later


@given(st.integers(2015, 2035), st.sampled_from(sorted(zone_names())))
@settings(deadline=None, max_examples=60)
def test_a_daily_time_happens_once_on_each_day_of_the_wall_clock(year: int, zone: str) -> None:
    table = timetable("30 2 * * *", zone)
    start = datetime(year, 1, 1, 12, tzinfo=UTC)
    days = [at.astimezone(table.zone).date() for at in islice(table.after(start), 370)]
    assert len(set(days)) == len(days)
    assert (days[-1] - days[0]).days == len(days) - 1


@pytest.mark.parametrize(
    ("expression", "position", "told"),
    [
        ("", 0, "has five fields"),
        ("0 9 * *", 7, "this one has 4"),
        ("0 0 9 * * *", 10, "this one has 6"),
        ("61 * * * *", 0, "'61' is no minute (0 to 59)"),
        ("0 25 * * *", 2, "'25' is no hour (0 to 23), such as 9, 9-17 or */2"),
        ("0  9,30 * * *", 5, "'30' is no hour"),
        ("0 9 0 * *", 4, "'0' is no day of the month"),
        ("0 9 * 13 *", 6, "'13' is no month"),
        ("0 9 * * MON-FOO", 8, "'MON-FOO' is no day of the week"),
        ("0 17-9 * * *", 2, "'17-9' is no hour"),
        ("*/90 * * * *", 0, "a step of 90"),
        ("0 9 31 2,4 *", 4, "it would never happen"),
        ("0 9 * * ü", 8, "has no meaning"),
        ("@reboot", 0, "there are @hourly, @daily"),
        ("*" * 300, 200, "at most 200 characters"),
    ],
)
def test_an_expression_that_is_none_says_where_and_what_to_write(
    expression: str, position: int, told: str
) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(expression)
    assert told in str(caught.value)
    assert caught.value.position == position


@given(st.text("0123456789*/,-#LWMON@ x", max_size=30) | st.text(max_size=12))
def test_whatever_is_written_is_a_timetable_or_an_error_that_says_where(expression: str) -> None:
    assert -1 <= where_it_goes_wrong(expression) <= len(expression)


def where_it_goes_wrong(expression: str) -> int:
    """Return the position that the error names; -1 for an expression whose next time was found."""
    try:
        table = timetable(expression, "Europe/Berlin")
    except CronError as error:
        return error.position
    assert table.upcoming(datetime(2026, 1, 1, tzinfo=UTC), 1)
    return -1


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Europe/Berln", "Europe/Berlin"),
        ("+02:00", ""),
        ("../../etc/passwd", ""),
        ("", ""),
    ],
)
def test_a_zone_that_is_none_names_the_one_that_was_meant(name: str, near: str) -> None:
    with pytest.raises(ZoneError) as caught:
        parse_zone(name)
    assert caught.value.suggestion == near
    assert (near or "Europe/Berlin") in str(caught.value)


def test_a_timetable_is_told_in_words() -> None:
    assert timetable("0 9 * * 1-5", "UTC").explain() == "At 09:00 on Monday through Friday"
