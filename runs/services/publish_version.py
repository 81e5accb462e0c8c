"""Publish a version of an agent: from now on runs start from it."""

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.models import AgentVersion
from runs.selectors.agents import version_for
from runs.services.agent_versions import checked_note, locked_agent, newest_published, show_as, startable
from runs.services.check_definition import checked_definition
from runs.services.put_members import put_members


def publish_version(*, actor: Actor, slug: str, number: int, note: str = "") -> AgentVersion:
    """Return the version, published. Runs that are under way go on with theirs. Publishing it again changes nothing.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; InvalidInputError when it names what is not there any more;
        ConflictError when a newer one is published, its code is not installed here, or a member of it cannot hold (put_members).
    Locks: the agent's row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    version, note = startable(actor, slug, number), checked_note(note)
    if version.definition is not None:
        checked_definition(team_id=actor.team_id, given=version.definition)
    with transaction():
        agent = locked_agent(actor, slug)
        newest = newest_published(agent)
        if number < newest:
            told = f"version {newest} is published and newer; roll back to version {number} instead"
            raise ConflictError(told, version=newest)
        if agent.versions.filter(number=number, published_at=None).update(
            published_at=Now(), withdrawn_at=None
        ):
            show_as(agent, version)
            put_members(actor=actor, agent=agent, definition=version.definition)
            detail: JsonObject = {"version": number, "before": newest, "note": note}
            record(actor=actor, action="agent.publish", subject=f"agent:{slug}", detail=detail)
    return version_for(actor, slug, number)
