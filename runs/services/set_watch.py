"""Set an agent's rules for the watch."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.watch_rules import WatchError, rules_from
from runs.models import Agent
from runs.selectors.agents import agent_for
from runs.services.checks import misfit


def set_watch(*, actor: Actor, slug: str, watch: Any, seen: JsonObject | None = None) -> Agent:
    """Return the agent, whose runs are judged by these rules from now on; `{}` stands for what its code says.

    With `seen`, only while the rules are still these.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; InvalidInputError with the place that makes no sense;
    ConflictError when somebody else has changed them meanwhile.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    agent = agent_for(actor, slug)
    try:
        rules_from(watch)
    except WatchError as error:
        raise misfit(error.pointer, error.reason) from error
    with transaction():
        row = Agent.objects.filter(pk=agent.pk)
        row = row if seen is None else row.filter(watch=seen)
        before = row.select_for_update().values_list("watch", flat=True).first()
        if before is None:
            raise ConflictError(
                "somebody else has changed the rules meanwhile; look at them, then change them again"
            )
        Agent.objects.filter(pk=agent.pk).update(watch=watch)
        record(
            actor=actor, action="agent.watch", subject=f"agent:{slug}", detail={"watch": watch, "before": before}
        )  # fmt: skip
    return agent_for(actor, slug)
