"""Take over an agent that was exported elsewhere."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from runs.engine.agent_definition import FORMAT
from runs.models import Agent, AgentVersion
from runs.services.add_version import add_version
from runs.services.checks import misfit
from runs.services.create_agent import create_agent


def import_agent(*, actor: Actor, document: Any, slug: str = "") -> tuple[AgentVersion, bool]:
    """Return the version, a draft, and whether it is new: of a new agent, or of the one that is called so already.

    `slug` is another name for it here.

    Raises: NotAllowedError without the scope `admin`; InvalidInputError with pointers; ConflictError when the agent of that name is
        made of code. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise misfit("/format", f'must be "{FORMAT}": what an export of an agent says', what="the file")
    name = slug or document.get("slug")
    if not isinstance(name, str):
        raise misfit("/slug", "is missing: the name of the agent", what="the file")
    definition, note = document.get("definition"), f"imported from version {document.get('version', '?')}"[:200]  # fmt: skip
    if Agent.objects.filter(team_id=actor.team_id, slug=name).exists():
        return add_version(actor=actor, slug=name, definition=definition, note=note)
    return create_agent(actor=actor, slug=name, definition=definition, note=note), True
