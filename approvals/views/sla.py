"""Policies of escalation, calendars, and the report of how requests went."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError, InvalidInputError
from approvals.engine.sla import LEVEL_STRIDE, ClockState, Kind, Mark, due_at, marks_of
from approvals.models import BusinessCalendar, EscalationPolicy
from approvals.presenters import sla_form as form
from approvals.selectors.sla import (
    QueueReport,
    as_policy,
    calendar_for,
    calendars_for,
    escalation_for,
    late_timers,
    percentile,
    policies_for,
    report_for,
)
from approvals.services import save_escalation as saving
from approvals.services.start_sla import pause_sla, resume_sla
from runs.selectors.schedules import database_now
from runs.views.base import respond, room

DAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
REPORT_DAYS = (7, 30, 90)
BAR_WIDTH = 120


@room
def escalations(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The policies in the order in which they are tried, and the calendars."""
    return _list(request, actor)


@require_http_methods(["GET", "POST"])
@room
def escalation(request: HttpRequest, actor: Actor, policy_id: UUID | None = None) -> HttpResponse:
    """GET shows the form, and what would come when; POST makes or changes a policy."""
    actor.require(Scope.ADMIN)
    row = escalation_for(actor, policy_id) if policy_id else None
    if request.method == "GET":
        return _policy_form(request, actor, row, form.policy_fields(row))
    posted = request.POST.dict()
    try:
        found = saving.save_escalation(
            actor=actor, spec=_spec(posted), policy_id=policy_id, version=_version(posted)
        )
    except (InvalidInputError, ConflictError) as error:
        return _policy_form(request, actor, row, posted | {"is_on": "is_on" in posted}, error)
    return redirect("sla:escalation", found.pk)


@require_http_methods(["GET", "POST"])
@room
def calendar(request: HttpRequest, actor: Actor, calendar_id: UUID | None = None) -> HttpResponse:
    """GET shows the form; POST makes or changes a calendar."""
    actor.require(Scope.ADMIN)
    row = calendar_for(actor, calendar_id) if calendar_id else None
    if request.method == "GET":
        return _calendar_form(request, row, form.calendar_fields(row))
    posted: dict[str, Any] = request.POST.dict()
    try:
        saving.save_calendar(
            actor=actor, name=posted.get("name", "").strip(), data=form.calendar_posted(posted),
            calendar_id=calendar_id, version=_version(posted),
        )  # fmt: skip
    except (InvalidInputError, ConflictError) as error:
        posted["days"] = [posted.get(f"day-{number}", "") for number in range(7)]
        return _calendar_form(request, row, posted, error)
    return redirect("sla:escalations")


@require_POST
@room
def remove_escalation(request: HttpRequest, actor: Actor, policy_id: UUID) -> HttpResponse:
    """Delete a policy."""
    return _done(request, actor, lambda: saving.delete_escalation(actor=actor, policy_id=policy_id))


@require_POST
@room
def remove_calendar(request: HttpRequest, actor: Actor, calendar_id: UUID) -> HttpResponse:
    """Delete a calendar that no policy goes by."""
    return _done(request, actor, lambda: saving.delete_calendar(actor=actor, calendar_id=calendar_id))


@require_POST
@room
def clock(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Let the clocks of a request stand, or go on."""
    if request.POST.get("verb") == "pause":
        pause_sla(actor=actor, request_id=request_id, reason=request.POST.get("reason", ""))
    else:
        resume_sla(actor=actor, request_id=request_id)
    return redirect("approvals:case", request_id)


@room
def report(request: HttpRequest, actor: Actor) -> HttpResponse:
    """How requests went: met and missed by queue, and how long they took in time that counts."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, REPORT_DAYS) else REPORT_DAYS[1]
    rows = [_report_row(one) for one in report_for(actor, days=days)]
    context = {
        "rows": rows, "days": days, "choices": REPORT_DAYS, "bar_width": BAR_WIDTH,
        "n_late": late_timers(actor.team_id).get(actor.team_id, 0),
    }  # fmt: skip
    return respond(request, "approvals/sla_report.html", context)


def _list(request: HttpRequest, actor: Actor, error: AgentOpsError | None = None) -> HttpResponse:
    context = {
        "policies": [{"row": row, **form.policy_fields(row), "in_the_end": form.ENDS[row.data["end"]]} for row in policies_for(actor)],
        "calendars": calendars_for(actor), "can_admin": actor.can(Scope.ADMIN), "error": error, "ends": form.ENDS,
    }  # fmt: skip
    return respond(request, "approvals/escalations.html", context, status=error.http_status if error else 200)


def _done(request: HttpRequest, actor: Actor, work: Callable[[], None]) -> HttpResponse:
    try:
        work()
    except ConflictError as error:
        return _list(request, actor, error)
    return redirect("sla:escalations")


def _spec(posted: dict[str, Any]) -> saving.EscalationSpec:
    position, chosen = posted.get("position", ""), posted.get("calendar", "")
    try:
        calendar_id = UUID(chosen) if chosen else None
    except ValueError:
        calendar_id = UUID(int=0)
    return saving.EscalationSpec(
        name=posted.get("name", "").strip(), data=form.policy_posted(posted), calendar_id=calendar_id,
        position=int(position) if position.isascii() and position.isdecimal() and len(position) < 6 else -1,
        is_on="is_on" in posted, queues=form.split(posted.get("queues", "")), agents=form.split(posted.get("agents", "")),
        actions=form.split(posted.get("actions", "")),
    )  # fmt: skip


def _version(posted: dict[str, Any]) -> int | None:
    version = posted.get("version", "")
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 9 else None


def _policy_form(
    request: HttpRequest, actor: Actor, row: EscalationPolicy | None, typed: dict[str, Any],
    error: InvalidInputError | ConflictError | None = None,
) -> HttpResponse:  # fmt: skip
    context = {
        "row": row, "typed": typed, "calendars": calendars_for(actor), "ends": [(end.value, told) for end, told in form.ENDS.items()],
        "error": error, "wrong": form.pointer_of(error) if isinstance(error, InvalidInputError) else "",
        "plan": _plan(row) if row and not error else [], "now": database_now(),
    }  # fmt: skip
    return respond(request, "approvals/escalation.html", context, status=error.http_status if error else 200)


def _calendar_form(
    request: HttpRequest, row: BusinessCalendar | None, typed: dict[str, Any],
    error: InvalidInputError | ConflictError | None = None,
) -> HttpResponse:  # fmt: skip
    days = [(number, name, typed["days"][number]) for number, name in enumerate(DAYS)]
    context = {"row": row, "typed": typed, "days": days, "error": error}
    return respond(request, "approvals/calendar.html", context, status=error.http_status if error else 200)


def _plan(row: EscalationPolicy) -> list[tuple[str, Any]]:
    """Return what would come when, of a request that is opened now."""
    policy, since = as_policy(row), ClockState(0.0, database_now())
    return [(_mark_words(mark), due_at(policy, since, mark)) for mark in marks_of(policy)]


def _mark_words(mark: Mark) -> str:
    words = {
        "remind": _("reminder, %(n)s %% of the time to decide is over"), "first_response": _("somebody should have reacted"),
        "decision": _("it should be decided"), "level": _("escalation, level %(n)s"), "end": _("the end"),
    }  # fmt: skip
    n = mark.n // LEVEL_STRIDE + 1 if mark.kind is Kind.LEVEL else mark.n
    told = str(words[mark.kind.value])
    told = told % {"n": n} if "%" in told else told
    return f"{told}, {_('again')}" if mark.kind is Kind.LEVEL and mark.n % LEVEL_STRIDE else told


def _report_row(one: QueueReport) -> dict[str, Any]:
    parts = []
    for name in ("response", "decision"):
        met, late = getattr(one, f"{name}_met"), getattr(one, f"{name}_late")
        seconds = getattr(one, f"{name}_seconds")
        share = met / (met + late) if met + late else None
        parts.append({
            "met": met, "late": late, "share": None if share is None else round(share * 100), "width": round((share or 0) * BAR_WIDTH),
            "p50": percentile(seconds, 0.5), "p90": percentile(seconds, 0.9), "p99": percentile(seconds, 0.99),
        })  # fmt: skip
    return {"queue": one.queue, "n": one.n, "response": parts[0], "decision": parts[1]}
