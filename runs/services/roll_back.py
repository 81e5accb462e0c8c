"""Roll an agent back: runs start from an earlier version again."""

from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.models import Agent, AgentVersion
from runs.selectors.agents import version_for
from runs.services.agent_versions import checked_note, locked_agent, newest_published, show_as, startable
from runs.services.put_members import put_members


def roll_back(*, actor: Actor, slug: str, number: int, note: str = "") -> AgentVersion:
    """Return the version that starts runs from now on; those published after it are withdrawn, and can be published again.

    Runs that are under way, of a withdrawn version too, go on with theirs.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; ConflictError when it is no earlier one, was never published,
        its code is not installed here, or a member of it cannot hold (put_members).
    Locks: the agent's row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    version, note = startable(actor, slug, number), checked_note(note)
    with transaction():
        agent = locked_agent(actor, slug)
        newest = newest_published(agent)
        _check(agent, number, newest)
        agent.versions.filter(number__gt=number, published_at__isnull=False).update(
            published_at=None, withdrawn_at=Now()
        )
        agent.versions.filter(number=number, published_at=None).update(published_at=Now(), withdrawn_at=None)
        show_as(agent, version)
        put_members(actor=actor, agent=agent, definition=version.definition)
        detail: JsonObject = {"version": number, "before": newest, "note": note}
        record(actor=actor, action="agent.roll_back", subject=f"agent:{slug}", detail=detail)
    return version_for(actor, slug, number)


def _check(agent: Agent, number: int, newest: int) -> None:
    if number >= newest:
        told = (
            f"runs start from version {newest}; roll back to an earlier one"
            if newest
            else "no version is published"
        )
        raise ConflictError(told, version=newest)
    was_published = Q(published_at__isnull=False) | Q(withdrawn_at__isnull=False)
    if not agent.versions.filter(was_published, number=number).exists():
        raise ConflictError(
            f"version {number} was never published, so nothing goes back to it", version=newest
        )
