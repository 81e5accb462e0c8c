"""Schedules on the real database: what fires, what is missed, what overlaps, and what changes them."""

from datetime import timedelta
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from runs.checkpoints.codec import decode
from runs.models import Agent, Run, Schedule, ScheduleFire
from runs.selectors.schedules import database_now, fires_for, schedule_for, upcoming_of
from runs.services.cancel_run import cancel_run
from runs.services.delete_schedule import delete_schedule
from runs.services.fire_schedule import fire_schedule
from runs.services.fire_schedules import fire_schedules
from runs.services.pause_run import pause_run
from runs.services.tick import Clock
from runs.services.update_schedule import update_schedule
from tests.runs import a_worker, claim, drive
from tests.schedules import a_schedule, an_actor, end, outcomes, runs_of, set_back

pytestmark = pytest.mark.django_db


def changed(schedule: Schedule, **changes: Any) -> Schedule:
    return update_schedule(actor=an_actor(), schedule_id=schedule.pk, changes=changes)


def test_a_time_that_comes_starts_a_run_that_ends() -> None:
    schedule = a_schedule("@hourly", title="Nightly audit", tags=["nightly"], priority=7, input={"n": 2})
    at = set_back(schedule, seconds=1)
    Clock().tick()
    [run] = runs_of(schedule)
    assert (run.title, run.tags, run.priority, decode(run.input_codec, run.input)) == (
        "Nightly audit", ["nightly"], 7, {"n": 2},
    )  # fmt: skip
    assert run.created_by == "schedule Nightly audit of ada"
    assert drive(run).status == "succeeded"
    schedule.refresh_from_db()
    assert schedule.next_at
    assert schedule.next_at > at
    Clock().tick()
    assert outcomes(schedule) == ["started"]


def test_nothing_happens_before_its_time_or_while_paused() -> None:
    waits, paused = a_schedule("@hourly"), a_schedule("@hourly")
    set_back(paused, seconds=1)
    Schedule.objects.filter(pk=paused.pk).update(is_paused=True)
    assert fire_schedules() == 0
    assert outcomes(waits) == outcomes(paused) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("skip", [("missed", 4)]),
        ("once", [("missed", 3), ("started", 1)]),
        ("all", [("started", 1)] * 4),
    ],
)
def test_after_three_days_without_a_clock_the_rule_decides(
    rule: str, expected: list[tuple[str, int]]
) -> None:
    now = database_now()
    hour = f"{(now - timedelta(hours=1)).hour}"  # so that no time is within the grace
    schedule = a_schedule(f"{now.minute} {hour} * * *", missed=rule, overlap="allow")
    set_back(schedule, days=3, hours=1)
    fire_schedules()
    fires = ScheduleFire.objects.filter(schedule=schedule).order_by("fire_at")
    assert list(fires.values_list("status", "n_times")) == expected
    schedule.refresh_from_db()
    assert schedule.next_at
    assert schedule.next_at > now


def test_what_is_not_made_up_for_is_written_down() -> None:
    schedule = a_schedule("* * * * *", missed="all", overlap="allow")
    at = set_back(schedule, days=1)
    for _ in range(3):
        fire_schedules()
    missed, *started = ScheduleFire.objects.filter(schedule=schedule).order_by("fire_at")
    assert {fire.status for fire in started} == {"started"}
    assert len(started) == 100
    assert (missed.status, missed.first_at) == ("missed", at)
    assert missed.n_times == pytest.approx(1340, abs=2)
    assert missed.fire_at < started[0].fire_at
    assert "the last 100 times are made up for" in missed.reason


def test_times_may_overlap_when_they_are_allowed_to() -> None:
    schedule = a_schedule(overlap="allow")
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    assert outcomes(schedule) == ["started", "started"]


def test_a_time_is_skipped_while_the_run_before_it_is_open() -> None:
    schedule = a_schedule(overlap="skip")
    set_back(schedule, seconds=3)
    fire_schedules()
    [run] = runs_of(schedule)
    pause_run(actor=an_actor(), run_id=run.pk)
    set_back(schedule, seconds=2)
    fire_schedules()
    end(run)
    set_back(schedule, seconds=1)
    fire_schedules()
    assert outcomes(schedule) == ["started", "skipped", "started"]
    skipped = ScheduleFire.objects.get(status="skipped")
    assert skipped.reason == f"run {run.pk} has not ended: it is paused"
    assert skipped.settled_at


def test_queued_times_start_one_after_the_other() -> None:
    schedule = a_schedule(overlap="queue")
    for seconds in (4, 3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    assert outcomes(schedule) == ["started", "queued", "queued"]
    assert fire_schedules() == 0
    end(runs_of(schedule)[0])
    assert fire_schedules() == 1
    assert outcomes(schedule) == ["started", "started", "queued"]
    end(runs_of(schedule)[1])
    fire_schedules()
    assert outcomes(schedule) == ["started"] * 3
    starts = [fire.settled_at for fire in ScheduleFire.objects.order_by("fire_at") if fire.settled_at]
    assert starts == sorted(starts)


def test_a_queue_has_an_end() -> None:
    schedule = a_schedule("* * * * *", overlap="queue", missed="all")
    set_back(schedule, hours=2)
    for _ in range(2):
        fire_schedules()
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    assert outcomes(schedule).count("queued") == 100
    assert "100 times are queued" in ScheduleFire.objects.filter(status="skipped")[0].reason


def test_queued_times_of_a_paused_schedule_wait_until_it_goes_on() -> None:
    schedule = a_schedule(overlap="queue")
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    changed(schedule, paused=True)
    end(runs_of(schedule)[0])
    assert fire_schedules() == 0
    changed(schedule, paused=False)
    fire_schedules()
    assert outcomes(schedule) == ["started", "started"]


def test_a_run_that_nobody_executes_is_replaced_at_once() -> None:
    schedule = a_schedule(overlap="replace")
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    first, second = runs_of(schedule)
    assert (first.status, second.status) == ("cancelled", "queued")
    assert first.end_reason == "the next time of its schedule came"
    assert ScheduleFire.objects.get(run=second).reason == f"run {first.pk} was cancelled for it"


def test_a_run_that_is_executed_is_replaced_when_it_has_stopped() -> None:
    schedule = a_schedule(overlap="replace")
    set_back(schedule, seconds=4)
    fire_schedules()
    [run] = runs_of(schedule)
    claim(a_worker())
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    run.refresh_from_db()
    assert (run.status, run.control) == ("running", "cancel")
    assert outcomes(schedule) == ["started", "replaced", "queued"]
    end(run)
    fire_schedules()
    assert outcomes(schedule) == ["started", "replaced", "started"]


def test_the_time_goes_into_the_input_where_it_is_asked_for() -> None:
    schedule = a_schedule(fire_at_property="day", time_zone="Asia/Kolkata")
    at = set_back(schedule, seconds=1)
    fire_schedules()
    [run] = runs_of(schedule)
    told = decode(run.input_codec, run.input)["day"]
    assert told.endswith("+05:30")
    assert told.startswith((at + timedelta(hours=5, minutes=30)).isoformat()[:19])


def test_a_start_that_fails_says_why_and_the_next_time_comes() -> None:
    schedule = a_schedule()
    Agent.objects.filter(pk=schedule.agent_id).update(slug="renamed")
    version = schedule.agent.versions.get()
    version.input_schema = {"type": "object", "required": ["missing"]}
    version.save()
    set_back(schedule, seconds=1)
    fire_schedules()
    [fire] = ScheduleFire.objects.all()
    assert fire.status == "failed"
    assert '"missing" is a required property' in fire.reason
    schedule.refresh_from_db()
    assert schedule.next_at


def test_a_pinned_version_stays_and_an_unpinned_one_moves_on() -> None:
    pinned, moves = a_schedule(agent_version=1), a_schedule()
    newer = pinned.agent.versions.get()
    newer.pk, newer.number = None, 2
    newer.id = Schedule(title="").id
    newer.save(force_insert=True)
    for schedule in (pinned, moves):
        set_back(schedule, seconds=1)
    fire_schedules()
    assert [runs_of(schedule)[0].agent_version.number for schedule in (pinned, moves)] == [1, 2]


def test_firing_by_hand_tells_what_came_of_it() -> None:
    schedule = a_schedule()
    fire, is_new = fire_schedule(actor=an_actor(), schedule_id=schedule.pk, idempotency_key="k")
    assert (fire.status, fire.fired_by, is_new) == ("started", "ada", True)
    again, is_new = fire_schedule(actor=an_actor(), schedule_id=schedule.pk, idempotency_key="k")
    assert (again.pk, is_new) == (fire.pk, False)
    skipped, _ = fire_schedule(actor=an_actor(), schedule_id=schedule.pk)
    assert (skipped.status, "has not ended" in skipped.reason) == ("skipped", True)
    schedule.refresh_from_db()
    assert schedule.next_at == upcoming_of(schedule)[0]


def test_what_passed_during_a_pause_is_not_missed() -> None:
    schedule = a_schedule("* * * * *", missed="all")
    changed(schedule, paused=True)
    schedule = schedule_for(an_actor(), schedule.pk)
    assert (schedule.next_at, upcoming_of(schedule)) == (None, [])
    schedule = changed(schedule, paused=False)
    assert schedule.next_at
    assert schedule.next_at > database_now()


def test_another_zone_moves_the_next_time_and_another_title_does_not() -> None:
    schedule = a_schedule("0 9 * * *")
    moved = set_back(schedule, seconds=30)
    assert changed(schedule, title="Other").next_at == moved
    tokyo = changed(schedule, time_zone="Asia/Tokyo")
    assert tokyo.next_at
    assert tokyo.next_at.hour == 0
    assert tokyo.version == 3


def test_a_change_on_top_of_another_is_refused() -> None:
    schedule = a_schedule()
    changed(schedule, title="First")
    with pytest.raises(ConflictError, match="it has version 2 now"):
        update_schedule(actor=an_actor(), schedule_id=schedule.pk, changes={"title": "Second"}, version=1)
    with pytest.raises(ConflictError):
        delete_schedule(actor=an_actor(), schedule_id=schedule.pk, version=1)
    assert schedule_for(an_actor(), schedule.pk).title == "First"


def test_deleting_leaves_the_runs_and_starts_nothing_more() -> None:
    schedule = a_schedule(overlap="queue")
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    [run] = runs_of(schedule)
    delete_schedule(actor=an_actor(), schedule_id=schedule.pk)
    end(run)
    fire_schedules()
    assert Run.objects.count() == 1
    assert not ScheduleFire.objects.exists()


def test_what_does_not_fit_is_told_with_pointers() -> None:
    with pytest.raises(InvalidInputError) as caught:
        a_schedule("0 25 * * *", time_zone="Berlin")
    cron, zone = caught.value.data["errors"]
    assert (cron["pointer"], cron["position"]) == ("/cron", 2)
    assert (zone["pointer"], zone["suggestion"]) == ("/time_zone", "Europe/Berlin")
    with pytest.raises(InvalidInputError) as caught:
        a_schedule(input={"n": 0})
    assert caught.value.data["errors"][0]["pointer"] == "/input/n"
    with pytest.raises(InvalidInputError, match="one of skip, once, all"):
        a_schedule(missed="never")
    with pytest.raises(NotFoundError, match="did you mean test-steps"):
        a_schedule(agent="test-step")


def test_only_those_who_may_run_change_anything() -> None:
    schedule = a_schedule()
    viewer = Actor(schedule.team_id, None, "cyd", frozenset({Scope.READ}))
    for attempt in (
        lambda: a_schedule(actor=viewer),
        lambda: update_schedule(actor=viewer, schedule_id=schedule.pk, changes={}),
        lambda: delete_schedule(actor=viewer, schedule_id=schedule.pk),
        lambda: fire_schedule(actor=viewer, schedule_id=schedule.pk),
    ):
        with pytest.raises(NotAllowedError):
            attempt()


def test_history_comes_in_pages_newest_first() -> None:
    schedule = a_schedule(overlap="allow")
    for seconds in (5, 4, 3):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    first = fires_for(an_actor(), schedule.pk, limit=2)
    rest = fires_for(an_actor(), schedule.pk, limit=2, cursor=first.next_cursor or "")
    times = [fire.fire_at for fire in [*first.items, *rest.items]]
    assert times == sorted(times, reverse=True)
    assert (len(times), rest.next_cursor) == (3, None)
    assert first.items[0].__dict__["run_status"] == "queued"


def test_a_cancelled_run_makes_room() -> None:
    schedule = a_schedule(overlap="queue")
    for seconds in (3, 2):
        set_back(schedule, seconds=seconds)
        fire_schedules()
    cancel_run(actor=an_actor(), run_id=runs_of(schedule)[0].pk)
    assert fire_schedules() == 1
