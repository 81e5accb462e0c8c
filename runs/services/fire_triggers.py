"""Start the runs that an event is to start, each once."""

from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, IdempotencyConflictError
from runs.engine.sources import filled, start_key
from runs.journal.fence import query
from runs.models import Event, Trigger, TriggerStart
from runs.services.start_run import start_run

_FITTING = """
SELECT t.id FROM runs_event e JOIN runs_trigger t ON t.team_id = e.team_id AND t.event_name = e.name
WHERE e.id = %(event_id)s AND NOT t.is_paused AND t.key IN ('', e.key) AND t.created_at <= e.received_at
    AND (t.match IS NULL OR e.payload @> t.match)
ORDER BY t.id
"""


def fire_triggers(event_id: UUID) -> int:
    """Start a run for every trigger that the event fits; return how many triggers those were.

    Repeating it starts nothing twice: the run's idempotency key names trigger and event, and the row of what came of it
    is unique. What cannot be started is recorded with the reason.
    Transaction: none open; each start is one of its own.
    """
    fitting = [row[0] for row in query(_FITTING, {"event_id": event_id})]
    if not fitting:
        return 0
    event = Event.objects.get(pk=event_id)
    for trigger in Trigger.objects.filter(pk__in=fitting).select_related("agent", "agent_version"):
        run_id, problem = _started(trigger, event)
        row = TriggerStart(trigger=trigger, event_id=event.pk, run_id=run_id, problem=problem[:500])
        TriggerStart.objects.bulk_create([row], ignore_conflicts=True)
    return len(fitting)


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
