"""Let events start runs of an agent."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from runs.engine.sources import bad_pointers
from runs.models import Trigger
from runs.selectors.agents import version_for
from runs.services.checks import check_priority, cleaned, misfit
from runs.services.incoming import checked_text


def create_trigger(
    *,
    actor: Actor,
    agent: str,
    event_name: str,
    key: str = "",
    match: Any = None,
    input_template: Any = None,
    version: int | None = None,
    priority: int = 0,
) -> Trigger:
    """Return a trigger: every event of this name from now on starts a run of the agent.

    Args:
        actor: whose team's; needs the scope `run`.
        agent: slug of an agent of the team.
        event_name: as the publisher calls it.
        key: what the event must be about; any when empty.
        match: what the payload must contain.
        input_template: JSON in which `{"$": "/payload/…"}` stands for a part of the event; None takes the payload.
        version: the number of a version; the newest published one at each event when None.
        priority: of the runs, -100 to 100.

    Raises: NotAllowedError; NotFoundError for the agent or version; InvalidInputError with pointers.
    """
    actor.require(Scope.RUN)
    check_priority(priority)
    chosen = version_for(actor, agent, version)
    if match is not None and not isinstance(match, dict):
        raise misfit("/match", "must be an object: members that the payload must contain")
    template = None if input_template is None else cleaned(input_template, what="the template")
    wrong = bad_pointers(template)
    if wrong:
        raise misfit(f"/input_template{wrong[0]}", 'must be a pointer into the event, such as "/payload/url"')
    return Trigger.objects.create(
        team_id=actor.team_id, agent=chosen.agent, agent_version=chosen if version is not None else None,
        event_name=checked_text("/event_name", event_name), key=checked_text("/key", key, may_be_empty=True),
        match=None if match is None else cleaned(match, what="the match"), input_template=template, priority=priority,
        created_by=actor.name[:200],
    )  # fmt: skip
