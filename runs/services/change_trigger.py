"""Pause a trigger, let it go on, or take it away."""

from uuid import UUID

from django.db.models import F

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.models import Agent, Trigger
from runs.selectors.sources import trigger_for
from runs.services.check_owner import check_owner


def pause_trigger(*, actor: Actor, trigger_id: UUID, is_paused: bool) -> Trigger:
    """Return the trigger, paused or not; events that come while it is paused start nothing.

    Raises: NotAllowedError, NotFoundError. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    trigger_for(actor, trigger_id)
    with transaction():
        Trigger.objects.filter(pk=trigger_id).update(is_paused=is_paused, version=F("version") + 1)
        told = {"is_paused": is_paused}
        record(actor=actor, action="trigger.update", subject=f"trigger:{trigger_id}", detail={**told})
    return trigger_for(actor, trigger_id)


def delete_trigger(*, actor: Actor, trigger_id: UUID, defined_by: Agent | None = None) -> None:
    """Delete the trigger with its history; runs that it has started stay.

    Raises: NotAllowedError; NotFoundError; ConflictError when it stands in another definition than that of `defined_by`.
    """
    actor.require(Scope.RUN)
    check_owner(trigger_for(actor, trigger_id), defined_by)
    with transaction():
        Trigger.objects.filter(pk=trigger_id).delete()
        record(actor=actor, action="trigger.delete", subject=f"trigger:{trigger_id}")
