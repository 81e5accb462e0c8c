"""Time works on open requests: reminders, escalation, the end; each once, in the hours that count, and never a yes."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agentops.accounts.roles import Actor, Role
from agentops.audit.models import Entry
from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from agentops.common.transactions import transaction
from agentops.notify.models import Delivery, Notice
from approvals.models import BusinessCalendar, EscalationPolicy, Request, Sla, SlaTimer
from approvals.selectors.sla import late_timers, percentile, report_for
from approvals.services.decide import Choice, decide
from approvals.services.fire_timers import fire_timers
from approvals.services.reconcile import reconcile
from approvals.services.save_escalation import (
    EscalationSpec,
    delete_calendar,
    delete_escalation,
    save_calendar,
    save_escalation,
)
from approvals.services.start_sla import pause_sla, resume_sla, start_sla
from approvals.services.sweep_sla import alarm_when_late, settle_slas
from runs.journal.fence import execute
from runs.models import Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from tests.personas import World, actor, member
from tests.races import at_once
from tests.runs import a_run, a_worker, claim, drive

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = {
    "time_zone": "Europe/Berlin",
    "week": [*[[["09:00", "17:00"]]] * 5, [], []],
    "holidays": ["2026-12-25"],
}
# Friday before the night in which summer time begins.
FRIDAY = datetime(2026, 3, 27, 16, 0, tzinfo=BERLIN)
DATA: dict[str, Any] = {
    "first_response_seconds": 3600, "decision_seconds": 4 * 3600, "reminders": [50, 75],
    "levels": [{"after_seconds": 2 * 3600, "targets": ["deciders"], "repeats": 1, "every_seconds": 3600},
               {"after_seconds": 3 * 3600, "targets": ["admins"]}],
    "end_seconds": 8 * 3600, "end": "expire",
}  # fmt: skip
# What comes when, in Berlin: an hour passes on Friday, the rest on Monday, by summer time.
PLANNED = {
    ("first_response", 0): "Fri 17:00", ("remind", 50): "Mon 10:00", ("level", 0): "Mon 10:00", ("level", 1): "Mon 11:00",
    ("remind", 75): "Mon 11:00", ("level", 100): "Mon 11:00", ("decision", 0): "Mon 12:00", ("end", 0): "Mon 16:00",
}  # fmt: skip


@pytest.fixture
def ada(world: World) -> Actor:
    return actor(world.ada)


def a_policy(ada: Actor, *, calendar: dict[str, Any] | None = None, **changes: Any) -> EscalationPolicy:
    found = save_calendar(actor=ada, name="Office", data=calendar) if calendar else None
    spec = EscalationSpec("Payments", DATA | changes, calendar_id=found.pk if found else None)
    return save_escalation(actor=ada, spec=spec)


def ask(world: World, **state: Any) -> Request:
    """Return the request of a run that asks whether it may pay."""
    run = a_run(
        "test-asks", {"args": {"amount": 7}, "timeout_seconds": 60 * 86400, **state}, team=world.analytical
    )
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "awaiting_approval"
    return Request.objects.get(run=run)


def asked_at(world: World, at: datetime, make_policy: Any, **state: Any) -> Request:
    """Return a request that was opened at an instant of the past or the future, with its clocks."""
    request = ask(world, **state)
    Request.objects.filter(pk=request.pk).update(opened_at=at)
    make_policy()
    with transaction():
        assert start_sla(request)
    request.refresh_from_db()
    return request


def timers(request: Request) -> dict[tuple[str, int], SlaTimer]:
    return {(one.kind, one.n): one for one in SlaTimer.objects.filter(request=request)}


def titles(key: str = "") -> list[str]:
    return list(Notice.objects.filter(key__contains=key).order_by("id").values_list("title", flat=True))


def test_a_request_opens_with_the_clocks_of_the_policy_that_fits(world: World, ada: Actor) -> None:
    a_policy(ada)
    other = EscalationSpec("Other", {"end_seconds": 60}, position=1, agents=["nobody-*"])
    save_escalation(actor=ada, spec=other)
    request = ask(world)
    assert Sla.objects.get().policy["name"] == "Payments"
    assert request.decision_due_at == request.opened_at + timedelta(hours=4)
    assert request.expires_at == request.opened_at + timedelta(hours=8)
    assert request.first_response_due_at == request.opened_at + timedelta(hours=1)


def test_who_may_decide_is_told_that_something_waits(world: World) -> None:
    member("analytical", "Analytical", "rex", Role.REVIEWER)
    request = ask(world)
    notice = Notice.objects.get()
    told = Delivery.objects.filter(notice=notice, channel="app").values_list("user__username", flat=True)
    assert sorted(told) == ["ada", "rex"]
    assert (notice.topic, notice.path) == ("approval", f"/approvals/{request.pk}")


def test_without_a_policy_time_does_nothing(world: World) -> None:
    ask(world)
    assert not Sla.objects.exists()
    assert fire_timers() == 0


def test_all_is_planned_in_hours_that_count_over_the_change_of_the_clock(world: World, ada: Actor) -> None:
    request = asked_at(world, FRIDAY, lambda: a_policy(ada, calendar=OFFICE))
    due = {
        key: f"{one.due_at.astimezone(BERLIN):%a %H:%M}" for key, one in timers(request).items() if one.due_at
    }
    assert due == PLANNED


def test_after_three_days_in_which_nothing_ran_everything_fires_once_and_the_answer_still_counts(
    world: World, ada: Actor
) -> None:
    request = asked_at(world, FRIDAY, lambda: a_policy(ada, calendar=OFFICE, end_seconds=None))
    monday = FRIDAY + timedelta(days=3)
    assert fire_timers(monday) == 7
    assert fire_timers(monday) == 0
    assert [one.outcome for one in timers(request).values()] == ["fired"] * 7
    assert len(titles("sla:")) == 7
    assert len(titles("remind")) == 2
    assert len(titles("level")) == 3
    bell = Delivery.objects.filter(user=world.ada, channel="app")
    assert bell.filter(notice__topic="sla").count() == 7, "Ada is admin, and may decide"
    assert Entry.objects.filter(action="approval.escalate", actor="the clock").count() == 3
    request.refresh_from_db()
    assert (request.status, request.escalation_level) == ("pending", 2)
    decide(
        actor=ada,
        request_id=request.pk,
        choice=Choice("approve", version=request.version, args_digest=request.args_digest),
    )
    run = drive(Run.objects.get(pk=request.run_id))
    assert run.status == "succeeded"
    assert settle_slas() == 1
    assert (Sla.objects.get().response_late, Sla.objects.get().decision_late) == (True, True)


def test_each_thing_comes_in_its_hour_and_none_before(world: World, ada: Actor) -> None:
    request = asked_at(world, FRIDAY, lambda: a_policy(ada, calendar=OFFICE))
    now = FRIDAY
    came: dict[tuple[str, int], str] = {}
    before: set[tuple[str, int]] = set()
    for _ in range(3 * 24):
        now += timedelta(hours=1)
        if fire_timers(now):
            fired = {key for key, one in timers(request).items() if one.fired_at}
            came |= dict.fromkeys(fired - before, f"{now.astimezone(BERLIN):%a %H:%M}")
            before = fired
    assert came == PLANNED


@pytest.mark.django_db(transaction=True)
def test_clocks_at_once_fire_each_timer_once(world: World, ada: Actor) -> None:
    a_policy(ada, end_seconds=None)
    for _ in range(8):
        ask(world)
    later = Request.objects.latest("opened_at").opened_at + timedelta(hours=5)
    fired = at_once(fire_timers, later, times=4)
    assert sum(fired) + fire_timers(later) == 8 * 7
    assert Notice.objects.filter(topic="sla").count() == 8 * 7
    assert Entry.objects.filter(actor="the clock", action="approval.remind").count() == 16


@pytest.mark.django_db(transaction=True)
def test_control_a_clock_that_does_not_hold_the_request_fires_it_again(world: World, ada: Actor) -> None:
    """The protection taken out: look first, then note that it was done."""
    a_policy(ada, end_seconds=None)
    ask(world)

    def careless() -> int:
        due = list(SlaTimer.objects.filter(fired_at__isnull=True))
        execute("SELECT pg_sleep(0.05)", {})
        for one in due:
            SlaTimer.objects.filter(pk=one.pk).update(outcome="fired", fired_at="2026-01-01T00:00:00Z")
        return len(due)

    assert sum(at_once(careless, times=4)) > 7


def test_what_is_due_for_a_closed_request_does_nothing(world: World, ada: Actor) -> None:
    a_policy(ada)
    request = ask(world)
    decide(actor=ada, request_id=request.pk, choice=Choice("reject", message="no", version=1))
    assert fire_timers(request.opened_at + timedelta(days=1)) == 7
    assert {one.outcome for one in timers(request).values()} == {"stale"}
    assert not Notice.objects.filter(topic="sla").exists()
    request.refresh_from_db()
    assert request.status == "rejected"


def test_who_reacted_in_time_is_not_called_late(world: World, ada: Actor) -> None:
    a_policy(ada, end_seconds=None)
    request = ask(world)
    Request.objects.filter(pk=request.pk).update(first_response_at=request.opened_at + timedelta(minutes=5))
    fire_timers(request.opened_at + timedelta(hours=1, minutes=1))
    assert timers(request)["first_response", 0].outcome == "met"
    assert titles("first_response") == []


def test_a_request_that_nobody_decides_expires_as_a_no(world: World, ada: Actor) -> None:
    a_policy(ada)
    request = ask(world)
    fire_timers(request.opened_at + timedelta(hours=9))
    request.refresh_from_db()
    assert (request.status, request.closed_by) == ("expired", "the clock")
    run = drive(Run.objects.get(pk=request.run_id))
    assert run.status == "succeeded"
    reached = Entry.objects.get(action="approval.end").detail
    assert reached["end"] == "expire"
    settle_slas()
    assert Sla.objects.get().decision_late is True


def test_the_end_may_cancel_the_run(world: World, ada: Actor) -> None:
    a_policy(ada, end="cancel_run")
    request = ask(world)
    fire_timers(request.opened_at + timedelta(hours=9))
    run = Run.objects.get(pk=request.run_id)
    assert (run.status, run.ended_by) == ("cancelled", "the clock")
    reconcile()
    request.refresh_from_db()
    assert request.status == "cancelled"


def test_the_end_may_be_put_before_the_admins_and_the_request_stays_open(world: World, ada: Actor) -> None:
    a_policy(ada, end="page_admins")
    request = ask(world)
    fire_timers(request.opened_at + timedelta(hours=9))
    request.refresh_from_db()
    assert request.status == "pending"
    assert titles("end") == ["Nobody decides · test-asks: pay"]
    assert Notice.objects.get(key__contains="end").is_urgent


def test_a_run_that_was_cancelled_meanwhile_is_left_alone(world: World, ada: Actor) -> None:
    a_policy(ada, end="cancel_run")
    request = ask(world)
    cancel_run(actor=ada, run_id=request.run_id)
    fire_timers(request.opened_at + timedelta(hours=9))
    assert Run.objects.get(pk=request.run_id).ended_by == "ada"


def test_clocks_stand_while_they_are_paused(world: World, ada: Actor) -> None:
    a_policy(ada)
    request = ask(world)
    pause_sla(actor=ada, request_id=request.pk, reason="waiting for the bank")
    assert {one.due_at for one in timers(request).values()} == {None}
    assert fire_timers(request.opened_at + timedelta(days=9)) == 0
    Sla.objects.update(elapsed_seconds=3600)
    resumed = resume_sla(actor=ada, request_id=request.pk)
    assert resumed.since
    due = timers(request)["decision", 0].due_at
    assert due == resumed.since + timedelta(hours=3)
    request.refresh_from_db()
    assert request.decision_due_at == due
    assert timers(request)["first_response", 0].due_at == resumed.since
    with pytest.raises(NotAllowedError):
        pause_sla(actor=actor(world.cyd, world.analytical), request_id=request.pk, reason="")
    with pytest.raises(NotFoundError):
        pause_sla(actor=actor(world.bea), request_id=request.pk, reason="")


def test_a_changed_policy_leaves_open_requests_alone(world: World, ada: Actor) -> None:
    policy = a_policy(ada)
    request = ask(world)
    spec = EscalationSpec("Payments", DATA | {"decision_seconds": 60, "reminders": []})
    changed = save_escalation(actor=ada, spec=spec, policy_id=policy.pk, version=policy.version)
    assert changed.version == policy.version + 1
    with pytest.raises(ConflictError):
        save_escalation(actor=ada, spec=spec, policy_id=policy.pk, version=policy.version)
    assert timers(request)["decision", 0].at_seconds == 4 * 3600
    delete_escalation(actor=ada, policy_id=policy.pk)
    assert fire_timers(request.opened_at + timedelta(hours=3)) > 0


def test_levels_reach_the_people_they_name(world: World, ada: Actor) -> None:
    member("analytical", "Analytical", "rex", Role.REVIEWER)
    levels = [{"after_seconds": 60, "targets": ["user:cyd"]}, {"after_seconds": 120, "targets": ["deciders"]}]
    a_policy(ada, levels=levels, reminders=[], first_response_seconds=None)
    request = ask(world)
    fire_timers(request.opened_at + timedelta(seconds=130))
    told = {
        notice.title[:20]: sorted(
            Delivery.objects.filter(notice=notice, channel="app").values_list("user__username", flat=True)
        )
        for notice in Notice.objects.filter(topic="sla")
    }
    assert told == {"Escalated to level 1": ["cyd"], "Escalated to level 2": ["ada", "rex"]}


def test_a_late_clock_is_told_of_once_an_hour(world: World, ada: Actor) -> None:
    a_policy(ada)
    request = ask(world)
    later = request.opened_at + timedelta(hours=5)
    assert late_timers(now=later) == {world.analytical.pk: 7}
    assert alarm_when_late(later) == 7
    assert alarm_when_late(later) == 7
    assert titles("sla-late") == ["The clock is late: 7 reminders and escalations are overdue"]
    fire_timers(later)
    assert alarm_when_late(later) == 0


def test_the_report_counts_what_was_met_and_missed(world: World, ada: Actor) -> None:
    a_policy(ada)
    quick, slow = ask(world), ask(world)
    for request in (quick, slow):
        decide(actor=ada, request_id=request.pk, choice=Choice("approve"))
    Request.objects.filter(pk=slow.pk).update(closed_at=slow.opened_at + timedelta(hours=6), first_response_at=slow.opened_at + timedelta(hours=6))  # fmt: skip
    assert settle_slas() == 2
    Sla.objects.update(settled_at=Sla.objects.earliest("settled_at").settled_at)
    [report] = report_for(ada)
    assert (report.n, report.decision_met, report.decision_late, report.response_late) == (2, 1, 1, 1)
    assert percentile(report.decision_seconds, 0.95) == pytest.approx(6 * 3600)
    assert report_for(actor(world.bea)) == []


def test_calendars_and_policies_are_admins_business(world: World, ada: Actor) -> None:
    calendar = save_calendar(actor=ada, name="Office", data=OFFICE)
    policy = save_escalation(actor=ada, spec=EscalationSpec("P", DATA, calendar_id=calendar.pk))
    for other in (actor(world.cyd, world.analytical),):
        with pytest.raises(NotAllowedError):
            save_calendar(actor=other, name="x", data=OFFICE)
    for wrong in (lambda: save_calendar(actor=ada, name="Office", data=OFFICE), lambda: delete_calendar(actor=ada, calendar_id=calendar.pk)):  # fmt: skip
        with pytest.raises(ConflictError):
            wrong()
    bea = actor(world.bea)
    with pytest.raises(NotFoundError):
        save_calendar(actor=bea, name="y", data=OFFICE, calendar_id=calendar.pk)
    with pytest.raises(InvalidInputError):
        save_escalation(actor=bea, spec=EscalationSpec("Q", DATA, calendar_id=calendar.pk))
    with pytest.raises(InvalidInputError, match="nothing approves by itself"):
        save_escalation(actor=ada, spec=EscalationSpec("Q", DATA | {"end": "approve"}))
    delete_escalation(actor=ada, policy_id=policy.pk)
    delete_calendar(actor=ada, calendar_id=calendar.pk)
    assert not BusinessCalendar.objects.exists()
    actions = (
        Entry.objects.filter(chain_id=world.analytical.pk).order_by("id").values_list("action", flat=True)
    )
    assert list(actions) == ["calendar.create", "escalation.create", "escalation.delete", "calendar.delete"]
