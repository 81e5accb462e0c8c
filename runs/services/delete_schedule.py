"""Delete a schedule with its history."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.models import Agent, Schedule
from runs.selectors.schedules import schedule_for
from runs.services.check_owner import check_owner
from runs.services.update_schedule import changed


def delete_schedule(
    *, actor: Actor, schedule_id: UUID, version: int | None = None, defined_by: Agent | None = None
) -> None:
    """Delete the schedule; runs that it has started stay as they are, times that are queued start nothing more.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than the actor saw, or stands in another
        definition than that of `defined_by`.
    Locks: the schedule. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    schedule = schedule_for(actor, schedule_id)
    check_owner(schedule, defined_by)
    found = Schedule.objects.filter(pk=schedule_id)
    with transaction():
        n_deleted = found.filter(version=schedule.version if version is None else version).delete()[0]
        if not n_deleted:
            raise changed(schedule_for(actor, schedule_id))
        told = {"title": schedule.title}
        record(actor=actor, action="schedule.delete", subject=f"schedule:{schedule_id}", detail={**told})
