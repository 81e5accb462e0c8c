"""Pause an agent whole."""

from agentops.accounts.roles import Actor, Scope
from runs.models import Agent
from runs.selectors.agents import agent_for
from runs.services.switches import switch_on


def pause_agent(*, actor: Actor, slug: str, reason: str = "") -> Agent:
    """Return the agent, of which no run is claimed any more; what is executed now stops at the end of its slice.

    Runs may still be started: they are queued. Pausing a paused agent changes nothing.

    Raises: NotAllowedError without the scope `run`; NotFoundError; InvalidInputError for a reason that is too long.
    Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.RUN)
    agent = agent_for(actor, slug)
    switch_on(Agent.objects.filter(pk=agent.pk), actor=actor, subject=f"agent:{slug}", reason=reason)
    return agent_for(actor, slug)
