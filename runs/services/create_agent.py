"""Make an agent without code: its definition is its first version."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from runs.engine.agent_definition import AgentDefinition
from runs.engine.program import is_program_name
from runs.models import Agent, AgentVersion
from runs.selectors.agents import version_for
from runs.services.agent_versions import checked_note, insert_version
from runs.services.check_definition import checked_definition
from runs.services.checks import misfit

RESERVED = frozenset({"new", "import", "check"})


def create_agent(*, actor: Actor, slug: str, definition: Any, note: str = "") -> AgentVersion:
    """Return the first version of the agent, a draft: it can be tried, and starts runs once it is published.

    Raises: NotAllowedError without the scope `admin`; InvalidInputError with pointers; ConflictError when there is one of that name.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    if not is_program_name(slug) or slug in RESERVED:
        raise misfit("/slug", 'must be lower-case letters, digits and single hyphens, at most 100, and none of check, import, new')  # fmt: skip
    document, note = checked_definition(team_id=actor.team_id, given=definition), checked_note(note)
    told = AgentDefinition.from_json(document)
    agent = Agent(team_id=actor.team_id, slug=slug, title=told.title or slug, description=told.description, queue=told.queue)  # fmt: skip
    with transaction():
        Agent.objects.bulk_create([agent], ignore_conflicts=True)
        if not Agent.objects.filter(pk=agent.pk).exists():
            raise ConflictError(f"the team has an agent {slug!r}; change that one, or choose another name", slug=slug)  # fmt: skip
        insert_version(actor=actor, agent=agent, number=1, definition=document, note=note)
        record(actor=actor, action="agent.create", subject=f"agent:{slug}", detail={"note": note})
    return version_for(actor, slug, 1)
