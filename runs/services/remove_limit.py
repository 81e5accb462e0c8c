"""Remove a limit."""

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.selectors.limits import limit_for, limits_of
from runs.services.declare_limits import declare_limits
from runs.services.set_limit import changed, queues_of
from runs.services.switches import poke_after_commit


def remove_limit(*, actor: Actor, scope: str, name: str, version: int | None = None) -> None:
    """Remove the limit; where an agent's code declares one in its place, that one counts again.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than the actor saw, or is what the code
        declares.
    Locks: the limit. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    limit = limit_for(actor, scope, name).limit
    if limit.is_declared:
        raise ConflictError(
            f"the code declares this limit ({limit.created_by}), so it would come back; set another number here, or take it "
            "out of the code",
            version=limit.version,
        )
    queues = queues_of(limit)
    found = limits_of(actor).filter(pk=limit.pk, version=limit.version if version is None else version)
    with transaction():
        is_done = bool(found.delete()[0])
        if is_done:
            told: JsonObject = {"before": limit.max_running}
            record(actor=actor, action="limit.remove", subject=f"limit:{scope}/{name}", detail=told)
            declare_limits(team_id=actor.team_id)
    if not is_done:
        raise changed(limits_of(actor).filter(pk=limit.pk).first())
    poke_after_commit(queues)
