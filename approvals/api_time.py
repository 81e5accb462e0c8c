"""The calls of the API about policies of escalation and business calendars."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor, Scope
from approvals import schemas_time as schemas
from approvals.engine.calendars import CalendarError, calendar_of, next_open
from approvals.engine.sla import ClockState, PolicyError, due_at, marks_of, policy_of
from approvals.models import BusinessCalendar, EscalationPolicy
from approvals.selectors.sla import calendar_for, calendars_for, escalation_for, policies_for
from approvals.services import save_escalation as saving
from approvals.services.save_escalation import EscalationSpec
from runs.selectors.schedules import database_now
from runs.services.checks import misfit

escalations_router = Router(tags=["approvals"])
calendars_router = Router(tags=["approvals"])
SHOWN_OPENINGS = 5
DAY = timedelta(days=1)


def _policy(row: EscalationPolicy) -> schemas.EscalationOut:
    return schemas.EscalationOut.model_validate(row, from_attributes=True)


def _calendar(row: BusinessCalendar) -> schemas.CalendarOut:
    return schemas.CalendarOut.model_validate(row, from_attributes=True)


@escalations_router.get("", response=schemas.EscalationsOut, operation_id="list_escalations", summary="List policies of escalation")  # fmt: skip
def escalations(request: HttpRequest) -> schemas.EscalationsOut:
    """List the team's policies; a request goes by the first that is on and fits it."""
    return schemas.EscalationsOut(items=[_policy(row) for row in policies_for(caller_of(request))])


@escalations_router.post("", response={201: schemas.EscalationOut}, operation_id="create_escalation", summary="Make a policy of escalation")  # fmt: skip
def create(request: HttpRequest, payload: schemas.EscalationIn) -> Status[schemas.EscalationOut]:
    """Make a policy; it counts for requests that are opened from now on."""
    spec = EscalationSpec(**payload.model_dump())
    return Status(201, _policy(saving.save_escalation(actor=caller_of(request), spec=spec)))


@escalations_router.post("/preview", response=schemas.PreviewOut, operation_id="preview_escalation", summary="Preview a policy of escalation")  # fmt: skip
def preview(request: HttpRequest, payload: schemas.EscalationIn) -> schemas.PreviewOut:
    """Tell what would come when, for a request that were opened now; nothing is stored."""
    actor, now = caller_of(request), database_now()
    policy = _read(actor, payload)
    clock = ClockState(0.0, now)
    marks = [
        {"kind": mark.kind.value, "n": mark.n, "at_seconds": mark.at_seconds, "due_at": due_at(policy, clock, mark)}
        for mark in marks_of(policy)
    ]  # fmt: skip
    return schemas.PreviewOut.model_validate({"opened_at": now, "marks": marks})


@escalations_router.get("/{uuid:policy_id}", response=schemas.EscalationOut, operation_id="get_escalation", summary="Get a policy of escalation")  # fmt: skip
def one(request: HttpRequest, policy_id: UUID) -> schemas.EscalationOut:
    """Get a policy."""
    return _policy(escalation_for(caller_of(request), policy_id))


@escalations_router.patch("/{uuid:policy_id}", response=schemas.EscalationOut, operation_id="update_escalation", summary="Change a policy of escalation")  # fmt: skip
def update(
    request: HttpRequest, policy_id: UUID, payload: schemas.EscalationPatchIn
) -> schemas.EscalationOut:
    """Change what the body names; 409 when the policy is not at `version` any more. Open requests keep what they opened with."""
    actor = caller_of(request)
    row = escalation_for(actor, policy_id)
    given = payload.model_dump(exclude={"version"}, exclude_unset=True)
    before = {name: getattr(row, name) for name in schemas.EscalationIn.model_fields}
    spec = EscalationSpec(**{**before, **given})
    return _policy(
        saving.save_escalation(actor=actor, spec=spec, policy_id=policy_id, version=payload.version)
    )


@escalations_router.delete("/{uuid:policy_id}", response={204: None}, operation_id="delete_escalation", summary="Delete a policy of escalation")  # fmt: skip
def remove(request: HttpRequest, policy_id: UUID) -> Status[None]:
    """Delete a policy; requests that opened with it keep it."""
    saving.delete_escalation(actor=caller_of(request), policy_id=policy_id)
    return Status(204, None)


@calendars_router.get("", response=schemas.CalendarsOut, operation_id="list_calendars", summary="List business calendars")  # fmt: skip
def calendars(request: HttpRequest) -> schemas.CalendarsOut:
    """List the team's calendars."""
    return schemas.CalendarsOut(items=[_calendar(row) for row in calendars_for(caller_of(request))])


@calendars_router.post("", response={201: schemas.CalendarOut}, operation_id="create_calendar", summary="Make a business calendar")  # fmt: skip
def create_calendar(request: HttpRequest, payload: schemas.CalendarIn) -> Status[schemas.CalendarOut]:
    """Make a calendar."""
    return Status(
        201, _calendar(saving.save_calendar(actor=caller_of(request), name=payload.name, data=payload.data))
    )


@calendars_router.post("/preview", response=schemas.OpeningsOut, operation_id="preview_calendar", summary="Preview a business calendar")  # fmt: skip
def preview_calendar(request: HttpRequest, payload: schemas.CalendarIn) -> schemas.OpeningsOut:
    """Tell when the next days that count begin; nothing is stored."""
    caller_of(request).require(Scope.READ)
    try:
        calendar, at, found = calendar_of(payload.data), database_now(), []
        for _ in range(SHOWN_OPENINGS):
            found.append(next_open(calendar, at))
            at = found[-1] + DAY
    except CalendarError as error:
        raise misfit("/data", str(error)) from error
    return schemas.OpeningsOut(openings=found)


@calendars_router.get("/{uuid:calendar_id}", response=schemas.CalendarOut, operation_id="get_calendar", summary="Get a business calendar")  # fmt: skip
def one_calendar(request: HttpRequest, calendar_id: UUID) -> schemas.CalendarOut:
    """Get a calendar."""
    return _calendar(calendar_for(caller_of(request), calendar_id))


@calendars_router.patch("/{uuid:calendar_id}", response=schemas.CalendarOut, operation_id="update_calendar", summary="Change a business calendar")  # fmt: skip
def update_calendar(
    request: HttpRequest, calendar_id: UUID, payload: schemas.CalendarPatchIn
) -> schemas.CalendarOut:
    """Change what the body names; 409 when the calendar is not at `version` any more. Open requests keep what they opened with."""
    actor = caller_of(request)
    row = calendar_for(actor, calendar_id)
    given: dict[str, Any] = {"name": row.name, "data": row.data} | payload.model_dump(exclude={"version"}, exclude_none=True)  # fmt: skip
    return _calendar(
        saving.save_calendar(actor=actor, calendar_id=calendar_id, version=payload.version, **given)
    )


@calendars_router.delete("/{uuid:calendar_id}", response={204: None}, operation_id="delete_calendar", summary="Delete a business calendar")  # fmt: skip
def remove_calendar(request: HttpRequest, calendar_id: UUID) -> Status[None]:
    """Delete a calendar; 409 while a policy goes by it."""
    saving.delete_calendar(actor=caller_of(request), calendar_id=calendar_id)
    return Status(204, None)


def _read(actor: Actor, payload: schemas.EscalationIn) -> Any:
    calendar = calendar_for(actor, payload.calendar_id).data if payload.calendar_id else None
    try:
        return policy_of({**payload.data, "name": payload.name, "calendar": calendar})
    except (PolicyError, CalendarError) as error:
        raise misfit("/data", str(error)) from error
