"""Make, change and delete calendars and policies of escalation. Requests that are open keep what they opened with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, models
from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError, NotFoundError
from agentops.common.transactions import transaction
from approvals.engine.calendars import CalendarError, calendar_data, calendar_of
from approvals.engine.sla import PolicyError, policy_data, policy_of
from approvals.models import BusinessCalendar, EscalationPolicy
from approvals.selectors.sla import calendar_for, escalation_for
from runs.services.checks import check_text, misfit

MAX_NAME_CHARACTERS = 100
MAX_PATTERNS = 20
T = TypeVar("T", BusinessCalendar, EscalationPolicy)


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """A policy as people give it; `data` as approvals.engine.sla reads it."""

    name: str
    data: Mapping[str, Any]
    calendar_id: UUID | None = None
    position: int = 100
    is_on: bool = True
    queues: Sequence[str] = field(default_factory=list)
    agents: Sequence[str] = field(default_factory=list)
    actions: Sequence[str] = field(default_factory=list)


def save_calendar(
    *,
    actor: Actor,
    name: str,
    data: Mapping[str, Any],
    calendar_id: UUID | None = None,
    version: int | None = None,
) -> BusinessCalendar:
    """Return the calendar, new or changed; `version` is the one that the actor saw.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError for another version or a name that is taken.
    """
    actor.require(Scope.ADMIN)
    check_text("/name", name, MAX_NAME_CHARACTERS)
    kept = _read(lambda: calendar_data(calendar_of(data)))
    row = calendar_for(actor, calendar_id) if calendar_id else BusinessCalendar(team_id=actor.team_id)
    return _save(actor, row, {"name": name, "data": kept}, version)


def save_escalation(
    *, actor: Actor, spec: EscalationSpec, policy_id: UUID | None = None, version: int | None = None
) -> EscalationPolicy:
    """Return the policy, new or changed; see save_calendar."""
    actor.require(Scope.ADMIN)
    check_text("/name", spec.name, MAX_NAME_CHARACTERS)
    calendar = _calendar(actor, spec.calendar_id)
    data = _read(lambda: policy_data(policy_of({**spec.data, "name": spec.name, "calendar": None})))
    for name in ("name", "calendar"):
        data.pop(name)
    row = escalation_for(actor, policy_id) if policy_id else EscalationPolicy(team_id=actor.team_id)
    columns = {
        "name": spec.name, "data": data, "calendar_id": calendar.pk if calendar else None, "position": _position(spec.position),
        "is_on": spec.is_on, "queues": _patterns("/queues", spec.queues, 60), "agents": _patterns("/agents", spec.agents, 100),
        "actions": _patterns("/actions", spec.actions, 200),
    }  # fmt: skip
    return _save(actor, row, columns, version)


def delete_calendar(*, actor: Actor, calendar_id: UUID) -> None:
    """Delete a calendar that no policy goes by. Raises: NotAllowedError, NotFoundError, ConflictError."""
    actor.require(Scope.ADMIN)
    row = calendar_for(actor, calendar_id)
    used = ", ".join(EscalationPolicy.objects.filter(calendar=row).values_list("name", flat=True)[:5])
    if used:
        raise ConflictError(f"policies go by it: {used}; give them another calendar first")
    _delete(actor, row)


def delete_escalation(*, actor: Actor, policy_id: UUID) -> None:
    """Delete a policy; requests that opened with it keep it. Raises: NotAllowedError, NotFoundError."""
    actor.require(Scope.ADMIN)
    _delete(actor, escalation_for(actor, policy_id))


def _save(actor: Actor, row: T, columns: dict[str, Any], version: int | None) -> T:
    kind, is_new = _kind(row), row._state.adding  # noqa: SLF001 -- Django's own way to say so
    who = {"updated_by": actor.name[:200], "updated_at": Now()}
    try:
        with transaction():
            if is_new:
                for name, value in {**columns, **who}.items():
                    setattr(row, name, value)
                row.save(force_insert=True)
            else:
                _change(row, {**columns, **who}, version)
            verb = "create" if is_new else "update"
            record(
                actor=actor,
                action=f"{kind}.{verb}",
                subject=f"{kind}:{row.pk}",
                detail={"name": columns["name"]},
            )
    except IntegrityError as error:
        raise ConflictError(f"the name {columns['name']!r} is taken; choose another") from error
    row.refresh_from_db()
    return row


def _change(row: BusinessCalendar | EscalationPolicy, columns: dict[str, Any], version: int | None) -> None:
    found = _rows(row).filter(pk=row.pk, version=row.version if version is None else version)
    if not found.update(**columns, version=F("version") + 1):
        raise ConflictError(
            f"{row.updated_by} changed it meanwhile; it has version {row.version} now. Load it again",
            version=row.version,
        )


def _delete(actor: Actor, row: BusinessCalendar | EscalationPolicy) -> None:
    with transaction():
        kind = _kind(row)
        record(actor=actor, action=f"{kind}.delete", subject=f"{kind}:{row.pk}", detail={"name": row.name})
        row.delete()


def _rows(row: BusinessCalendar | EscalationPolicy) -> models.QuerySet[Any]:
    return type(row)._default_manager.all()  # noqa: SLF001 -- the manager of either model


def _kind(row: BusinessCalendar | EscalationPolicy) -> str:
    return "calendar" if isinstance(row, BusinessCalendar) else "escalation"


def _calendar(actor: Actor, calendar_id: UUID | None) -> BusinessCalendar | None:
    if calendar_id is None:
        return None
    try:
        return calendar_for(actor, calendar_id)
    except NotFoundError as error:
        raise misfit("/calendar_id", "there is no such calendar") from error


def _read(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except (PolicyError, CalendarError) as error:
        raise misfit("/data", str(error)) from error


def _position(position: int) -> int:
    if not 0 <= position <= 10_000:
        raise misfit("/position", "must be from 0 to 10,000")
    return position


def _patterns(pointer: str, given: Sequence[str], max_characters: int) -> list[str]:
    if len(given) > MAX_PATTERNS:
        raise misfit(pointer, f"at most {MAX_PATTERNS}")
    for one in given:
        check_text(pointer, one, max_characters)
    return list(dict.fromkeys(given))
