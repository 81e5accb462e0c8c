"""Let events start runs of an agent."""

from dataclasses import dataclass
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from agentops.common.types import JsonValue
from runs.engine.sources import bad_pointers
from runs.models import Agent, Trigger
from runs.selectors.agents import version_for
from runs.services.checks import check_priority, cleaned, misfit
from runs.services.incoming import checked_text


@dataclass(frozen=True, slots=True)
class TriggerSpec:
    """What a trigger says.

    Attributes:
        agent: slug of an agent of the team.
        event_name: as the publisher calls it.
        key: what the event must be about; any when empty.
        match: what the payload must contain.
        input_template: JSON in which `{"$": "/payload/…"}` stands for a part of the event; None takes the payload.
        version: the number of a version; the newest published one at each event when None.
        priority: of the runs, -100 to 100.
    """

    agent: str
    event_name: str
    key: str = ""
    match: Any = None
    input_template: Any = None
    version: int | None = None
    priority: int = 0


def create_trigger(*, actor: Actor, defined_by: Agent | None = None, **said: Any) -> Trigger:
    """Return a trigger: every event of this name from now on starts a run of the agent.

    Args:
        actor: whose team's; needs the scope `run`.
        defined_by: the agent whose definition says so.
        **said: the members of a TriggerSpec.

    Raises: NotAllowedError; NotFoundError for the agent or version; InvalidInputError with pointers.
    """
    actor.require(Scope.RUN)
    spec = TriggerSpec(**said)
    template, match = checked_trigger(spec)
    chosen = version_for(actor, spec.agent, spec.version)
    trigger = Trigger(
        team_id=actor.team_id, agent=chosen.agent, agent_version=chosen if spec.version is not None else None,
        event_name=checked_text("/event_name", spec.event_name), key=spec.key, match=match, input_template=template,
        priority=spec.priority, created_by=actor.name[:200], defined_by=defined_by,
    )  # fmt: skip
    told = {"agent": spec.agent, "event_name": spec.event_name}
    with transaction():
        trigger.save(force_insert=True)
        record(actor=actor, action="trigger.create", subject=f"trigger:{trigger.pk}", detail={**told})
    return trigger


def checked_trigger(spec: TriggerSpec) -> tuple[JsonValue, JsonValue]:
    """Return the template and the match as plain JSON.

    Raises: InvalidInputError with pointers.
    """
    check_priority(spec.priority)
    checked_text("/key", spec.key, may_be_empty=True)
    if spec.match is not None and not isinstance(spec.match, dict):
        raise misfit("/match", "must be an object: members that the payload must contain")
    template = None if spec.input_template is None else cleaned(spec.input_template, what="the template")
    wrong = bad_pointers(template)
    if wrong:
        raise misfit(f"/input_template{wrong[0]}", 'must be a pointer into the event, such as "/payload/url"')
    return template, None if spec.match is None else cleaned(spec.match, what="the match")
