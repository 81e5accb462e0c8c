"""Make the programs of this installation known as agents of a team."""

from uuid import UUID

from django.db.models.functions import Now

from agentops.common.transactions import transaction
from runs.engine.program import Program
from runs.models import Agent, AgentVersion
from runs.programs import programs, source_hash
from runs.services.declare_limits import declare_limits


def register_programs(*, team_id: UUID) -> list[Agent]:
    """Return the team's code agents, each with a published version of the code as it is now.

    A program whose declared version is already registered is left alone. Transaction: one per program, and one for each whose
    limits are new.
    """
    found = [_register(team_id, program) for program in programs().values()]
    declare_limits(team_id=team_id)
    return found


def _register(team_id: UUID, program: type[Program]) -> Agent:
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
