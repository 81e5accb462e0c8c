"""What a schedule does about the times that are due, on paper: the clock late, gone for days, over a change of the clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runs.engine.schedules import MAX_COUNTED, Missed, MissedSpan, Plan, plan
from runs.timetable import timetable

BERLIN = "Europe/Berlin"


def planned(cron: str, zone: str, due: str, now: str, rule: Missed, *, max_catch_up: int = 3) -> Plan:
    table = timetable(cron, zone)
    return plan(
        table.after, due_at=_at(due, zone), now=_at(now, zone), rule=rule, grace_seconds=60, max_catch_up=max_catch_up
    )  # fmt: skip


def _at(wall: str, zone: str) -> datetime:
    return datetime.fromisoformat(wall).replace(tzinfo=timetable("@daily", zone).zone).astimezone(UTC)


def _shown(at: datetime | None, zone: str) -> str:
    return at.astimezone(timetable("@daily", zone).zone).isoformat(" ", "minutes")[8:16] if at else "never"


# Expression, zone, the time that is due first, now; for each rule the times that start a run, how many were missed;
# and the next time, which is the same by every rule.
OUTAGES = [
    ("on time", "0 9 * * *", BERLIN, "2026-11-20 09:00", "2026-11-20 09:00:01", ["20 09:00"], ["20 09:00"], ["20 09:00"], "21 09:00"),
    ("within the grace", "0 9 * * *", BERLIN, "2026-11-20 09:00", "2026-11-20 09:01", ["20 09:00"], ["20 09:00"], ["20 09:00"], "21 09:00"),
    ("an hour late", "0 9 * * *", BERLIN, "2026-11-20 09:00", "2026-11-20 10:00", [], ["20 09:00"], ["20 09:00"], "21 09:00"),
    ("three days late", "0 9 * * *", BERLIN, "2026-11-20 09:00", "2026-11-22 12:00", [], ["22 09:00"], ["20 09:00", "21 09:00", "22 09:00"], "23 09:00"),
    ("back at the very time", "0 9 * * *", BERLIN, "2026-11-20 09:00", "2026-11-22 09:00:30", ["22 09:00"], ["22 09:00"], ["20 09:00", "21 09:00", "22 09:00"], "23 09:00"),
    ("more than are made up for", "0 */6 * * *", BERLIN, "2026-11-20 00:00", "2026-11-22 12:30", [], ["22 12:00"], ["22 00:00", "22 06:00", "22 12:00"], "22 18:00"),
    ("three days over the skipped hour", "30 2 * * *", BERLIN, "2026-03-28 02:30", "2026-03-30 12:00", [], ["30 02:30"], ["28 02:30", "29 03:00", "30 02:30"], "31 02:30"),
    ("back right behind the skipped hour", "30 2 * * *", BERLIN, "2026-03-29 03:00", "2026-03-29 03:00:20", ["29 03:00"], ["29 03:00"], ["29 03:00"], "30 02:30"),
    ("three days over the repeated hour", "30 2 * * *", BERLIN, "2026-10-24 02:30", "2026-10-26 12:00", [], ["26 02:30"], ["24 02:30", "25 02:30", "26 02:30"], "27 02:30"),
    ("the southern skipped hour", "30 2 * * *", "Australia/Sydney", "2026-10-03 02:30", "2026-10-05 12:00", [], ["05 02:30"], ["03 02:30", "04 03:00", "05 02:30"], "06 02:30"),
    ("the southern repeated hour", "30 2 * * *", "Australia/Sydney", "2026-04-04 02:30", "2026-04-06 12:00", [], ["06 02:30"], ["04 02:30", "05 02:30", "06 02:30"], "07 02:30"),
    ("clocks that move by half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 02:15", "2026-10-05 12:00", [], ["05 02:15"], ["03 02:15", "04 02:30", "05 02:15"], "06 02:15"),
]  # fmt: skip


@pytest.mark.parametrize("rule", Missed)
@pytest.mark.parametrize("case", OUTAGES, ids=lambda case: case[0])
def test_the_rule_says_what_becomes_of_times_that_passed(case: tuple[Any, ...], rule: Missed) -> None:
    _name, cron, zone, due, now, *expected, next_at = case
    found = planned(cron, zone, due, now, rule)
    assert [_shown(at, zone) for at in found.fires] == expected[list(Missed).index(rule)]
    assert _shown(found.next_at, zone) == next_at


@pytest.mark.parametrize("rule", Missed)
@pytest.mark.parametrize("case", OUTAGES, ids=lambda case: case[0])
def test_every_time_is_either_fired_or_counted_as_missed(case: tuple[Any, ...], rule: Missed) -> None:
    _name, cron, zone, due, now, *_expected = case
    found = planned(cron, zone, due, now, rule)
    first = _at(due, zone)
    all_due = [
        at for at in timetable(cron, zone).upcoming(first - timedelta(seconds=1), 50) if at <= _at(now, zone)
    ]
    left_out = [at for at in all_due if at not in found.fires]
    assert found.missed == (
        MissedSpan(left_out[0], left_out[-1], len(left_out), is_more=False) if left_out else None
    )


def test_through_the_repeated_hour_every_quarter_is_counted_twice() -> None:
    found = planned(
        "*/15 * * * *", BERLIN, "2026-10-25 02:00", "2026-10-25 03:01", Missed.ALL, max_catch_up=100
    )
    assert len(found.fires) == 9
    assert found.missed is None


@pytest.mark.parametrize("rule", Missed)
def test_a_year_of_minutes_is_not_counted_to_its_end(rule: Missed) -> None:
    found = planned("* * * * *", BERLIN, "2025-11-20 09:00", "2026-11-20 09:00:20", rule)
    last = _at("2026-11-20 09:00", BERLIN)
    minute = timedelta(minutes=1)
    # The last two are within the grace of a minute.
    n_fires = {Missed.SKIP: 1, Missed.ONCE: 1, Missed.ALL: 3}[rule]
    assert found.fires == [last - minute * i for i in reversed(range(n_fires))]
    assert found.missed
    assert (found.missed.n_times, found.missed.is_more) == (MAX_COUNTED - n_fires, True)
    assert found.missed.last_at == found.fires[0] - minute
    assert found.next_at == last + minute


def test_a_timetable_that_ends_has_no_next_time() -> None:
    due = datetime(2026, 1, 1, tzinfo=UTC)
    found = plan(lambda _: iter(()), due_at=due, now=due, rule=Missed.ONCE, grace_seconds=60, max_catch_up=3)
    assert (found.fires, found.next_at) == ([due], None)
