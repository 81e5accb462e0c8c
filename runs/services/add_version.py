"""Change the definition of an agent: what it was stays, the change is a new version."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.agent_definition import filled
from runs.models import Agent, AgentVersion
from runs.selectors.agents import agent_for, version_for
from runs.services.agent_versions import checked_note, insert_version, locked_agent
from runs.services.check_definition import checked_definition


def add_version(
    *, actor: Actor, slug: str, definition: Any, based_on: int | None = None, note: str = ""
) -> tuple[AgentVersion, bool]:
    """Return the version, a draft, and whether it is new: nothing is added when the newest one says the same.

    `based_on` is the newest version that the author saw.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; InvalidInputError with pointers; ConflictError for an agent of
        code, or when somebody else has added a version meanwhile.
    Locks: the agent's row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    agent_for(actor, slug)
    document, note = checked_definition(team_id=actor.team_id, given=definition), checked_note(note)
    with transaction():
        agent = locked_agent(actor, slug)
        newest = _newest(agent, based_on)
        is_new = filled(newest.definition or {}) != document
        if is_new:
            insert_version(actor=actor, agent=agent, number=newest.number + 1, definition=document, note=note)
            detail: JsonObject = {"version": newest.number + 1, "note": note}
            record(actor=actor, action="agent.version", subject=f"agent:{slug}", detail=detail)
    return version_for(actor, slug, newest.number + is_new), is_new


def _newest(agent: Agent, based_on: int | None) -> AgentVersion:
    newest = agent.versions.order_by("-number")[0]
    if newest.definition is None:
        raise ConflictError(
            f"the agent {agent.slug!r} is made of code: change the code, and raise its version"
        )
    if based_on is not None and based_on != newest.number:
        told = f"somebody else has saved version {newest.number} meanwhile; look at what they changed, and save again on top of it"
        raise ConflictError(told, version=newest.number)
    return newest
