"""Start the runs that an event is to start, each once."""

from typing import Any
from uuid import UUID

from django.db.models import Q

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, IdempotencyConflictError
from runs.engine.sources import filled, start_key
from runs.models import Event, Trigger, TriggerStart
from runs.services.start_run import start_run


def fire_triggers(event_id: UUID) -> int:
    """Start a run for every trigger that the event fits; return how many triggers those were.

    Repeating it starts nothing twice: the run's idempotency key names trigger and event, and the row of what came of it
    is unique. What cannot be started is recorded with the reason.
    Transaction: none open; each start is one of its own.
    """
    event = Event.objects.get(pk=event_id)
    found = Trigger.objects.filter(team_id=event.team_id, event_name=event.name, is_paused=False)
    fitting = [
        trigger
        for trigger in found.filter(_of_key(event)).select_related("agent", "agent_version")
        if _fits(trigger, event)
    ]
    for trigger in fitting:
        run_id, problem = _started(trigger, event)
        row = TriggerStart(trigger=trigger, event_id=event.pk, run_id=run_id, problem=problem[:500])
        TriggerStart.objects.bulk_create([row], ignore_conflicts=True)
    return len(fitting)


def _of_key(event: Event) -> Q:
    return Q(key="") | Q(key=event.key)


def _fits(trigger: Trigger, event: Event) -> bool:
    if trigger.created_at > event.received_at:
        return False
    return (
        trigger.match is None or Event.objects.filter(pk=event.pk, payload__contains=trigger.match).exists()
    )


def _started(trigger: Trigger, event: Event) -> tuple[UUID | None, str]:
    try:
        run, _ = start_run(
            actor=Actor(trigger.team_id, None, f"event {event.name}"[:200], frozenset({Scope.READ, Scope.RUN})),
            agent=trigger.agent.slug, input=input_of(trigger, event), priority=trigger.priority,
            version=trigger.agent_version.number if trigger.agent_version else None,
            idempotency_key=start_key(trigger.pk, event.pk),
        )  # fmt: skip
    except IdempotencyConflictError as error:  # started before the trigger was changed, and not recorded
        return UUID(error.data["run_id"]), ""
    except AgentOpsError as error:
        return None, error.detail
    return run.pk, ""


def input_of(trigger: Trigger, event: Event) -> Any:
    """Return the input that the trigger makes of the event."""
    if trigger.input_template is None:
        return event.payload
    told = {
        "id": str(event.pk), "name": event.name, "key": event.key, "payload": event.payload, "source": event.source,
        "received_at": event.received_at.isoformat(),
    }  # fmt: skip
    return filled(trigger.input_template, told)
