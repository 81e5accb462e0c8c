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

Programs = list[type[Program]]
Agents = dict[str, Agent]


def register_programs(*, team_id: UUID) -> list[Agent]:
    """Return the team's code agents, each with a published version of the code as it is now.

    A program whose declared version is already registered is left alone, and so is one that is called as an agent of the team
    that was made without code. The number of statements is the same however many programs there are.

    Locks: the rows of the agents, in the order of their names. Transaction: opens one, and one for each whose limits are new.
    """
    found = _without_made(team_id, list(programs().values()))
    with transaction():
        agents = _agents(team_id, found)
        _add_versions(agents, found)
    declare_limits(team_id=team_id)
    return [agents[program.name] for program in found]


def _without_made(team_id: UUID, found: Programs) -> Programs:
    own = AgentVersion.objects.filter(team_id=team_id, definition__isnull=False)
    made = set(own.values_list("agent__slug", flat=True).distinct())
    for program in found:
        if program.name in made:
            logger.warning(
                "agent %s was made without code; the program of that name is left out", program.name
            )
    return [program for program in found if program.name not in made]


def _agents(team_id: UUID, found: Programs) -> Agents:
    """Return the agents by name, locked, with the facts that their newest programs tell."""
    facts = {program.name: _facts(program) for program in found}
    own = Agent.objects.filter(team_id=team_id, slug__in=facts).order_by("slug")
    missing = sorted(facts.keys() - set(own.values_list("slug", flat=True)))
    Agent.objects.bulk_create(
        [Agent(team_id=team_id, slug=name, **facts[name]) for name in missing], ignore_conflicts=True
    )
    agents = {agent.slug: agent for agent in own.select_for_update(no_key=True)}
    _tell(agents, facts)
    return agents


def _tell(agents: Agents, facts: dict[str, dict[str, str]]) -> None:
    changed = []
    for name, told in facts.items():
        agent = agents[name]
        if any(getattr(agent, fact) != value for fact, value in told.items()):
            agent.title, agent.description, agent.queue = told["title"], told["description"], told["queue"]
            changed.append(agent)
    Agent.objects.bulk_update(changed, ["title", "description", "queue"])


def _facts(program: type[Program]) -> dict[str, str]:
    return {
        "title": program.title or program.name, "description": program.description, "queue": program.queue,
    }  # fmt: skip


def _add_versions(agents: Agents, found: Programs) -> None:
    """Add a version for each program that has none; the locks on the agents keep the numbers apart."""
    own = AgentVersion.objects.filter(agent__in=agents.values())
    rows = list(own.order_by("number").values_list("agent_id", "program", "program_version", "number"))
    known = {row[:3] for row in rows}
    last = {agent_id: number for agent_id, _, _, number in rows}
    new = []
    for program in found:
        agent = agents[program.name]
        if (agent.pk, program.name, program.version) not in known:
            last[agent.pk] = last.get(agent.pk, 0) + 1
            new.append(_version(agent, last[agent.pk], program))
    AgentVersion.objects.bulk_create(new)


def _version(agent: Agent, number: int, program: type[Program]) -> AgentVersion:
    return AgentVersion(
        team_id=agent.team_id, agent=agent, number=number, program=program.name,
        program_version=program.version, source_hash=source_hash(program), input_schema=program.input_schema,
        recovery=program.recovery_policy(), published_at=Now(),
    )  # fmt: skip
