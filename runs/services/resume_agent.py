"""Let a paused agent go on."""

from agentops.accounts.roles import Actor, Scope
from runs.models import Agent
from runs.selectors.agents import agent_for
from runs.services.switches import switch_off


def resume_agent(*, actor: Actor, slug: str) -> Agent:
    """Return the agent, whose queued runs are claimed again in their order. Resuming one that goes on changes nothing.

    Raises: NotAllowedError without the scope `run`; NotFoundError.
    Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.RUN)
    agent = agent_for(actor, slug)
    switch_off(Agent.objects.filter(pk=agent.pk), actor=actor, subject=f"agent:{slug}", queues=[agent.queue])
    return agent_for(actor, slug)
