"""Say how many runs of an agent, a queue or a key may be executed at once."""

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.limits import ANY, MAX_KEY_CHARACTERS, MAX_RUNNING, LimitScope
from runs.models import Agent, Limit
from runs.selectors.agents import agent_for
from runs.selectors.limits import limits_of
from runs.services.checks import check_queue, check_text, misfit
from runs.services.switches import poke_after_commit


def set_limit(
    *, actor: Actor, scope: str, name: str, max_running: int, version: int | None = None
) -> tuple[Limit, bool]:
    """Return the limit as it is from now on, and whether this call has made it.

    Runs that are executed now go on when they are more: nobody else is let in until there is room.

    Args:
        actor: whose team's; needs the scope `admin`.
        scope: what is counted, a LimitScope.
        name: slug of an agent of the team; a queue; a concurrency key, or the beginning of keys and `*`: each of those is
            counted by itself.
        max_running: 1 to MAX_RUNNING.
        version: the limit's `version` that the actor saw, 0 for none; None sets it as it is.

    Raises: NotAllowedError; NotFoundError for the agent; InvalidInputError with pointers; ConflictError when it has another
        version.
    Locks: the limit. Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.ADMIN)
    agent = checked_limit(actor, scope, name, max_running)
    earlier = limits_of(actor).filter(scope=scope, name=name).first()
    if version is not None and version != (earlier.version if earlier else 0):
        raise changed(earlier)
    with transaction():
        is_done = (
            _changed(actor, earlier, max_running)
            if earlier
            else _made(actor, scope, name, agent, max_running)
        )
        if is_done:
            told: JsonObject = {
                "max_running": max_running,
                "before": earlier.max_running if earlier else None,
            }
            record(actor=actor, action="limit.set", subject=f"limit:{scope}/{name}", detail=told)
    current = limits_of(actor).filter(scope=scope, name=name).first()
    if not is_done or current is None:
        raise changed(current)
    poke_after_commit(queues_of(current))
    return current, earlier is None


def _made(actor: Actor, scope: str, name: str, agent: Agent | None, max_running: int) -> bool:
    who = actor.name[:200]
    row = Limit(
        team_id=actor.team_id, scope=scope, name=name, agent=agent, max_running=max_running, created_by=who, updated_by=who
    )  # fmt: skip
    Limit.objects.bulk_create([row], ignore_conflicts=True)
    return Limit.objects.filter(pk=row.pk).exists()


def _changed(actor: Actor, earlier: Limit, max_running: int) -> bool:
    found = Limit.objects.filter(pk=earlier.pk, version=earlier.version)
    return bool(
        found.update(
            max_running=max_running, is_declared=False, version=F("version") + 1, updated_by=actor.name[:200], updated_at=Now()
        )
    )  # fmt: skip


def checked_limit(actor: Actor, scope: str, name: str, max_running: int) -> Agent | None:
    """Return the agent that the limit is of, if it is of one.

    Raises: NotFoundError; InvalidInputError with pointers.
    """
    if not 1 <= max_running <= MAX_RUNNING:
        told = f"must be from 1 to {MAX_RUNNING:,}; to let nothing run, pause the agent or the team"
        raise misfit("/max_running", told)
    if scope not in set(LimitScope):
        raise misfit("/scope", f"must be one of {', '.join(LimitScope)}")
    if scope == LimitScope.AGENT:
        return agent_for(actor, name)
    if scope == LimitScope.QUEUE:
        check_queue("/name", name)
    else:
        check_text("/name", name, MAX_KEY_CHARACTERS)
        if name == ANY:
            raise misfit("/name", "must say how the keys begin before the *, such as customer-*")
    return None


def queues_of(limit: Limit) -> list[str]:
    """Return the queues whose workers may have more to do when the limit is raised or gone."""
    if limit.scope == LimitScope.QUEUE:
        return [limit.name]
    if limit.agent is not None:
        return [limit.agent.queue]
    return list(Agent.objects.filter(team_id=limit.team_id).values_list("queue", flat=True))


def changed(limit: Limit | None) -> ConflictError:
    """Return the error for a version that has passed; `limit` is the one that stands now."""
    if limit is None:
        return ConflictError("the limit was removed meanwhile; set it anew if it is still wanted", version=0)
    return ConflictError(
        f"{limit.updated_by} has set this limit to {limit.max_running:,} meanwhile; it has version {limit.version} now. "
        "Load it again and repeat what is still to be changed",
        version=limit.version,
    )
