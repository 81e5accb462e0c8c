"""See what a trigger would make of an event."""

from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import NotJsonError, clean_json
from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonValue
from runs.engine.sources import filled
from runs.journal.fence import query
from runs.json_schema import check
from runs.selectors.agents import version_for
from runs.services.create_trigger import TriggerSpec, checked_trigger


@dataclass(slots=True)
class TriggerPreview:
    """Whether the event fits, and why not; the input it would make, and where that does not fit the agent's schema."""

    why_not: str
    input: JsonValue
    errors: list[dict[str, Any]] = field(default_factory=list)


def preview_trigger(*, actor: Actor, spec: TriggerSpec, event: dict[str, Any]) -> TriggerPreview:
    """Return what a trigger would make of an event (`name`, `key`, `payload`); changes nothing.

    An empty agent leaves the check against its schema out; an empty event name fits every name.

    Raises: NotAllowedError; NotFoundError for the agent or version; InvalidInputError with pointers.
    """
    actor.require(Scope.READ)
    template, match = checked_trigger(spec)
    try:
        told: Any = clean_json(event)
    except NotJsonError as error:
        raise InvalidInputError(
            f"the event is not JSON at {error.pointer}", errors=[{"pointer": f"/event{error.pointer}", "message": error.reason}]
        ) from error  # fmt: skip
    told = {"name": "", "key": "", "payload": {}, "id": None, "source": None, "received_at": None} | told
    made = told["payload"] if template is None else filled(template, told)
    preview = TriggerPreview(_why_not(spec, match, told), made)
    if spec.agent:
        version = version_for(actor, spec.agent, spec.version)
        try:
            check(made, version.input_schema, what="the input")
        except InvalidInputError as error:
            preview.errors = list(error.data.get("errors", ()))
    return preview


def _why_not(spec: TriggerSpec, match: JsonValue, event: dict[str, Any]) -> str:
    if spec.event_name and event["name"] != spec.event_name:
        return f"its name is {event['name']!r}, not {spec.event_name!r}"
    if spec.key and event["key"] != spec.key:
        return f"its key is {event['key']!r}, not {spec.key!r}"
    return (
        ""
        if match is None or _contains(event["payload"], match)
        else "its payload does not contain the match"
    )


def _contains(payload: JsonValue, match: JsonValue) -> bool:
    """Return whether PostgreSQL says so, which decides for the events that come."""
    values = {"payload": Jsonb(payload), "match": Jsonb(match)}
    [(found,)] = query("SELECT %(payload)s::jsonb @> %(match)s::jsonb", values)
    return bool(found)
