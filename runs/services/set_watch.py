"""Set an agent's rules for the watch."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.engine.watch_rules import WatchError, rules_from
from runs.models import Agent
from runs.selectors.agents import agent_for
from runs.services.checks import misfit


def set_watch(*, actor: Actor, slug: str, watch: Any) -> Agent:
    """Return the agent, whose runs are judged by these rules from now on; `{}` stands for what its code says.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; InvalidInputError with the place that makes no sense.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    agent = agent_for(actor, slug)
    try:
        rules_from(watch)
    except WatchError as error:
        raise misfit(error.pointer, error.reason) from error
    with transaction():
        Agent.objects.filter(pk=agent.pk).update(watch=watch)
        record(actor=actor, action="agent.watch", subject=f"agent:{slug}", detail={"watch": watch})
    return agent_for(actor, slug)
