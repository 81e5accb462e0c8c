"""Change a schedule, pause it, let it go on."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.checkpoints.codec import decode
from runs.models import Agent, Schedule
from runs.selectors.schedules import schedule_for
from runs.services.check_owner import check_owner
from runs.services.schedule_columns import ScheduleSpec, columns_of

_TIMING = ("cron", "time_zone", "is_paused")


def update_schedule(
    *, actor: Actor, schedule_id: UUID, changes: dict[str, Any], version: int | None = None, defined_by: Agent | None = None
) -> Schedule:  # fmt: skip
    """Return the schedule with some parts of its ScheduleSpec changed.

    When its cron, zone or pause changes, its next time is counted from now: what passed while it was paused is not
    missed. Times that have come already go by the rules as they stand when they are settled.

    Args:
        actor: needs the scope `run`.
        schedule_id: whose.
        changes: names of ScheduleSpec → new values.
        version: the schedule's `version` that the actor saw; None changes it as it is.
        defined_by: the agent whose definition says so; what stands in one can be paused by hand, no more.

    Raises: NotAllowedError; NotFoundError; InvalidInputError; ConflictError when it has another version by now, or
        stands in a definition.
    Transaction: opens one.
    """
    actor.require(Scope.RUN)
    schedule = schedule_for(actor, schedule_id)
    if changes.keys() != {"paused"}:
        check_owner(schedule, defined_by)
    if version is not None and schedule.version != version:
        raise changed(schedule)
    columns = columns_of(actor, schedule.agent.slug, replace(spec_of(schedule), **changes))
    if all(columns[name] == getattr(schedule, name) for name in _TIMING):
        del columns["next_at"]
    found = Schedule.objects.filter(pk=schedule_id, version=schedule.version)
    with transaction():
        n_changed = found.update(
            **columns, version=F("version") + 1, updated_at=Now(), updated_by=actor.name[:200]
        )
        if n_changed:
            told: JsonObject = {"changed": [*sorted(changes)]}
            record(actor=actor, action="schedule.update", subject=f"schedule:{schedule_id}", detail=told)
    current = schedule_for(actor, schedule_id)
    if not n_changed:
        raise changed(current)
    return current


def changed(schedule: Schedule) -> ConflictError:
    """Return the error for a version that has passed."""
    return ConflictError(
        f"{schedule.updated_by} changed the schedule meanwhile; it has version {schedule.version} now. "
        "Load it again and repeat what is still to be changed",
        version=schedule.version,
    )


def spec_of(schedule: Schedule) -> ScheduleSpec:
    """Return what the schedule says, as ScheduleSpec."""
    return ScheduleSpec(
        cron=schedule.cron,
        input=decode(schedule.input_codec, schedule.input),
        time_zone=schedule.time_zone,
        title=schedule.title,
        agent_version=schedule.agent_version.number if schedule.agent_version else None,
        fire_at_property=schedule.fire_at_property,
        priority=schedule.priority,
        tags=schedule.tags,
        missed=schedule.missed,
        overlap=schedule.overlap,
        paused=schedule.is_paused,
    )
