"""When a clock may judge a silent worker: never for an outage that was its own or the database's."""

from agentops.common.conf import conf
from runs.services.sweep import Grace

LEASE_SECONDS = conf().lease_seconds
UP = 1_000_000.0


def judged(*instants: float, up: float = UP) -> list[bool]:
    grace = Grace()
    return [grace.allows(1000.0 + now, up) for now in instants]


def test_a_clock_that_has_just_started_judges_nobody() -> None:
    ticks = [tick * LEASE_SECONDS / 4 for tick in range(7)]
    assert judged(*ticks) == [False, False, False, False, True, True, True]


def test_after_a_gap_of_its_own_a_clock_waits_a_whole_lease_again() -> None:
    before = [tick * LEASE_SECONDS / 4 for tick in range(6)]
    gap = before[-1] + LEASE_SECONDS
    after = [gap + tick * LEASE_SECONDS / 4 for tick in range(6)]
    assert judged(*before, *after)[len(before) :] == [False, False, False, False, True, True]


def test_a_tick_that_is_a_little_late_is_no_gap() -> None:
    ticks = [tick * LEASE_SECONDS / 2.1 for tick in range(4)]
    assert judged(*ticks)[-1]


def test_after_a_restart_of_the_database_nobody_is_judged_for_a_whole_lease() -> None:
    ticks = [tick * LEASE_SECONDS / 4 for tick in range(9)]
    assert not any(judged(*ticks, up=LEASE_SECONDS - 0.1))
    assert judged(*ticks, up=LEASE_SECONDS)[-1]
