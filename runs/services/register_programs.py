"""Make the programs of this installation known as agents of a team."""

import logging
from uuid import UUID

from django.db.models.functions import Now

from agentops.common.transactions import transaction
from runs.engine.program import Program
from runs.models import Agent, AgentVersion
from runs.programs import programs, source_hash
from runs.services.declare_limits import declare_limits

logger = logging.getLogger(__name__)


def register_programs(*, team_id: UUID) -> list[Agent]:
    """Return the team's code agents, each with a published version of the code as it is now.

    A program whose declared version is already registered is left alone, and so is one that is called as an agent of the team
    that was made without code. Transaction: one per program, and one for each whose
    limits are new.
    """
    found = [_register(team_id, program) for program in programs().values()]
    declare_limits(team_id=team_id)
    return found


def _register(team_id: UUID, program: type[Program]) -> Agent:
    own = AgentVersion.objects.filter(team_id=team_id, agent__slug=program.name, definition__isnull=False)
    if (made := own.select_related("agent").first()) is not None:
        logger.warning("agent %s was made without code; the program of that name is left out", program.name)
        return made.agent
    with transaction():
        title = program.title or program.name
        facts = {"title": title, "description": program.description, "queue": program.queue}
        agent, _ = Agent.objects.update_or_create(team_id=team_id, slug=program.name, defaults=facts)
        Agent.objects.select_for_update().get(pk=agent.pk)
        if not agent.versions.filter(program=program.name, program_version=program.version).exists():
            _add_version(agent, program)
    return agent


def _add_version(agent: Agent, program: type[Program]) -> None:
    last = agent.versions.order_by("-number").values_list("number", flat=True).first() or 0
    AgentVersion.objects.create(
        team_id=agent.team_id, agent=agent, number=last + 1, program=program.name,
        program_version=program.version, source_hash=source_hash(program), input_schema=program.input_schema,
        recovery=program.recovery_policy(), published_at=Now(),
    )  # fmt: skip
