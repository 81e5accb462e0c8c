"""Take in an event, once, and tell the runs that wait for it."""

from typing import Any
from uuid import UUID

import orjson

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import digest
from agentops.common.conf import conf
from agentops.common.errors import IdempotencyConflictError
from agentops.common.types import JsonValue
from runs.journal.fence import UNHURRIED, execute, is_alone, query
from runs.models import Event
from runs.services.fire_triggers import fire_triggers
from runs.services.incoming import checked_payload, checked_text
from runs.services.settle_waits import settle_waits

MATCH_LIMIT = 1000

# Both ways to ask, with and without a key, so that each finds its rows in the index.
_WAITING = """
SELECT DISTINCT run_id FROM (
    SELECT w.run_id FROM runs_wait w, runs_event e WHERE e.id = %(event_id)s AND w.kind = 'event' AND w.closed_at IS NULL
        AND w.team_id = e.team_id AND w.name = e.name AND w.key = '' AND w.since_at <= e.received_at
        AND (w.match IS NULL OR e.payload @> w.match)
    UNION ALL
    SELECT w.run_id FROM runs_wait w, runs_event e WHERE e.id = %(event_id)s AND w.kind = 'event' AND w.closed_at IS NULL
        AND w.team_id = e.team_id AND w.name = e.name AND w.key = e.key AND e.key <> '' AND w.since_at <= e.received_at
        AND (w.match IS NULL OR e.payload @> w.match)) found
LIMIT %(limit)s
"""
_MATCHED = (
    "UPDATE runs_event SET matched_at = clock_timestamp() WHERE id = %(event_id)s AND matched_at IS NULL"  # noqa: S608 -- constants
    f" RETURNING {UNHURRIED}"
)
_STORE = """
INSERT INTO runs_event (id, team_id, name, key, payload, source, delivery_id, digest)
VALUES (%(id)s, %(team_id)s, %(name)s, %(key)s, %(payload)s::jsonb, %(source)s, %(delivery_id)s, %(digest)s)
ON CONFLICT DO NOTHING RETURNING received_at
"""


def publish_event(
    *, actor: Actor, name: str, payload: Any, key: str = "", delivery_id: str = "", source: str = "api"
) -> tuple[Event, int, bool]:
    """Return the event, how many waits it ended, and whether it is new.

    Args:
        actor: on whose behalf; needs the scope `run`.
        name: what happened, such as `invoice.paid`.
        payload: what is known of it, JSON; data, never an instruction.
        key: what it is about; runs that wait for a certain key see only theirs.
        delivery_id: the sender's number: a second delivery under it from the same source changes nothing.
        source: where it came from, shown with it.

    At most MATCH_LIMIT waits are told here; the clock tells the others.

    Raises: NotAllowedError; InvalidInputError with pointers; IdempotencyConflictError when the number was used for
        something else.
    Transaction: opens one for the event, then those of settle_waits: each side first commits its own row (PROTOCOL 16).
    """
    actor.require(Scope.RUN)
    fields = {
        "name": checked_text("/name", name), "key": checked_text("/key", key, may_be_empty=True),
        "source": source, "delivery_id": checked_text("/id", delivery_id, may_be_empty=True),
        "payload": checked_payload(payload, max_bytes=conf().input_max_bytes),
    }  # fmt: skip
    event, is_new = _stored(actor.team_id, fields)
    return event, match_event(event.id) if is_new else 0, is_new


def match_event(event_id: UUID) -> int:
    """Start and tell the runs that the event is for; return how many waits it ended. Repeating it changes nothing.

    Transaction: none open; settle_waits opens its own.
    """
    fire_triggers(event_id)
    run_ids = [row[0] for row in query(_WAITING, {"event_id": event_id, "limit": MATCH_LIMIT})]
    n_closed = settle_waits(run_ids, event_id=event_id)
    if len(run_ids) < MATCH_LIMIT:
        execute(_MATCHED, {"event_id": event_id, "is_alone": is_alone()})
    return n_closed


def _stored(team_id: UUID, fields: dict[str, JsonValue]) -> tuple[Event, bool]:
    event = Event(team_id=team_id, digest=digest(fields), **fields)
    given = {"id": event.id, "team_id": team_id, "digest": event.digest, **fields}
    row = execute(_STORE, given | {"payload": orjson.dumps(event.payload).decode()})
    if row is not None:
        event.received_at = row[0]
        return event, True
    stored = Event.objects.get(team_id=team_id, source=event.source, delivery_id=event.delivery_id)
    if bytes(stored.digest) != event.digest:
        raise IdempotencyConflictError(
            f"the event id {event.delivery_id!r} was delivered before with another content; send the same again, or another id",
            event_id=str(stored.id),
        )
    return stored, False
