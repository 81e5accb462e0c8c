"""Schedules when several clocks look at once, and when one dies in between; each with a control that does harm."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Now

from agentops.common.ids import new_token
from runs.models import Run, Schedule, ScheduleFire
from runs.selectors.schedules import database_now
from runs.services import fire_schedule as by_hand
from runs.services import fire_schedules as clock_job
from runs.services import settle_fire
from runs.services.fire_schedule import fire_schedule
from runs.services.fire_schedules import fire_schedules, plan_due
from runs.services.start_run import start_run
from runs.services.update_schedule import update_schedule
from tests.personas import World, actor
from tests.races import at_once
from tests.schedules import a_schedule, an_actor, end, outcomes, runs_of, set_back

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6


class Died(BaseException):
    """What ends a clock process in the middle."""


def n_runs(schedule: Schedule) -> int:
    return Run.objects.filter(title=schedule.title).count()


@pytest.fixture
def without_the_row() -> Iterator[None]:
    """Take out that there is one row a time."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runs_schedulefire DROP CONSTRAINT schedule_fire_once")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_schedulefire")
        cursor.execute(
            "ALTER TABLE runs_schedulefire ADD CONSTRAINT schedule_fire_once UNIQUE (schedule_id, fire_at)"
        )


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out the locks on schedules."""
    manager = Schedule.objects
    monkeypatch.setattr(type(manager.all()), "select_for_update", lambda self, **_: self)


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each run under a key of its own."""
    start: Callable[..., Any] = start_run
    monkeypatch.setattr(
        settle_fire, "start_run", lambda **given: start(**given | {"idempotency_key": str(new_token())})
    )


def race(n_clocks: int = 4, **spec: Any) -> int:
    """Return how many more runs than times there were, over some rounds of clocks that look at once."""
    surplus = 0
    for round_ in range(ROUNDS):
        schedule = a_schedule(overlap="allow", title=f"round {round_}", **spec)
        set_back(schedule, seconds=1)
        at_once(fire_schedules, times=n_clocks)
        surplus += n_runs(schedule) - 1
    return surplus


def test_clocks_that_race_fire_once() -> None:
    assert race() == 0
    assert ScheduleFire.objects.count() == ROUNDS


def test_the_row_alone_keeps_a_time_from_firing_twice(without_locks: None) -> None:
    """Without locks two clocks settle the same row; the key of the run makes them one."""
    assert race() == 0


def test_the_locks_alone_keep_a_time_from_firing_twice(without_row_and_keys: None) -> None:
    assert race() == 0


@pytest.fixture
def without_row_and_keys(without_the_row: None, without_keys: None) -> None:
    """Leave the locks alone."""


def test_control_without_locks_row_and_key_clocks_fire_twice(
    without_locks: None, without_the_row: None, without_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle_fire, "_record", unguarded)
    assert race() > 0


def unguarded(fire: ScheduleFire, status: str, **columns: Any) -> None:
    ScheduleFire.objects.filter(pk=fire.pk).update(status=status, **columns)


def dies_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(settle_fire, "start_run", die)
        with pytest.raises(Died):
            fire_schedules()


def test_a_clock_that_dies_between_the_row_and_the_run_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = a_schedule()
    set_back(schedule, seconds=1)
    dies_before_the_start(monkeypatch)
    assert outcomes(schedule) == ["due"]
    assert n_runs(schedule) == 0
    fire_schedules()
    assert outcomes(schedule) == ["started"]
    assert n_runs(schedule) == 1


def test_control_a_clock_that_does_not_look_for_rows_that_are_due_loses_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = a_schedule()
    set_back(schedule, seconds=1)
    dies_before_the_start(monkeypatch)
    monkeypatch.setattr(
        clock_job, "_READY", "SELECT schedule_id FROM runs_schedulefire WHERE false LIMIT %(limit)s"
    )
    fire_schedules()
    assert n_runs(schedule) == 0


def lose_the_record_of_the_start(schedule: Schedule) -> None:
    """Leave what a clock leaves that started the run in a transaction of its own and then died."""
    ScheduleFire.objects.filter(schedule=schedule).update(status="due", run=None, settled_at=None)


def test_a_run_that_was_started_and_not_recorded_is_found_again() -> None:
    schedule = a_schedule(overlap="allow")
    set_back(schedule, seconds=1)
    fire_schedules()
    [run] = runs_of(schedule)
    lose_the_record_of_the_start(schedule)
    update_schedule(actor=an_actor(), schedule_id=schedule.pk, changes={"input": {"n": 2}})
    fire_schedules()
    assert runs_of(schedule) == [run]
    assert n_runs(schedule) == 1


def test_control_without_the_key_it_is_started_again(without_keys: None) -> None:
    schedule = a_schedule(overlap="allow")
    set_back(schedule, seconds=1)
    fire_schedules()
    lose_the_record_of_the_start(schedule)
    fire_schedules()
    assert n_runs(schedule) == 2


def overlapping(schedule: Schedule) -> int:
    """Return how many runs are open after several hands have fired the schedule at once and the clock has looked.

    A hand's time that is queued behind earlier ones leaves the start of the oldest to the clock.
    """
    at_once(lambda: fire_schedule(actor=an_actor(), schedule_id=schedule.pk))
    fire_schedules()
    n_open = Run.objects.filter(title=schedule.title, ended_at__isnull=True).count()
    for run in runs_of(schedule):
        end(run)
    return n_open


@pytest.mark.parametrize("rule", ["skip", "queue", "replace"])
def test_hands_that_fire_at_once_never_overlap(rule: str) -> None:
    schedule = a_schedule(overlap=rule, title=rule)
    assert [overlapping(schedule) for _ in range(3)] == [1, 1, 1]


def test_control_without_the_lock_they_do(
    without_locks: None, without_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle_fire, "_record", unguarded)
    schedule = a_schedule(overlap="skip", title="skip")
    assert max(overlapping(schedule) for _ in range(8)) > 1


def test_hands_that_fire_in_the_same_microsecond_both_fire(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = a_schedule(overlap="allow")
    moments = iter([Value(database_now())] * 2 + [Now()])
    monkeypatch.setattr(by_hand, "Now", lambda: next(moments))
    for _ in range(2):
        fire_schedule(actor=an_actor(), schedule_id=schedule.pk)
    assert outcomes(schedule) == ["started", "started"]


def test_one_key_fires_once_however_many_send_it(world: World) -> None:
    ada = actor(world.ada)
    schedule = a_schedule(actor=ada, overlap="allow")
    found = at_once(lambda: fire_schedule(actor=ada, schedule_id=schedule.pk, idempotency_key="k"))
    assert [is_new for _, is_new in found].count(True) == 1
    assert len({fire.pk for fire, _ in found}) == 1
    assert n_runs(schedule) == 1


def test_an_edit_that_races_the_clock_loses_neither(world: World) -> None:
    ada = actor(world.ada)
    for round_ in range(ROUNDS):
        schedule = a_schedule("* * * * *", actor=ada, overlap="allow", title=f"edit {round_}")
        set_back(schedule, seconds=1)
        turns = iter(
            [
                plan_due,
                lambda s=schedule: update_schedule(actor=ada, schedule_id=s.pk, changes={"cron": "@yearly"}),
            ]
        )
        at_once(take_turn, turns, times=2)
        schedule.refresh_from_db()
        assert schedule.cron == "@yearly"
        assert schedule.next_at
        assert (schedule.next_at.month, schedule.next_at.day) == (1, 1)


def take_turn(turns: Iterator[Callable[[], object]]) -> None:
    next(turns)()


def test_a_start_that_fails_does_not_cost_the_clock_its_next_round() -> None:
    """A rollback deallocates prepared statements; the round after it prepares them anew."""
    good, bad = a_schedule(title="good"), a_schedule(title="bad")
    bad.agent.versions.update(program="gone")
    for _ in range(2):
        set_back(bad, seconds=1)
        fire_schedules()
    bad.agent.versions.update(program="test-steps")
    set_back(good, seconds=1)
    fire_schedules()
    assert outcomes(bad) == ["failed", "failed"]
    assert outcomes(good) == ["started"]
