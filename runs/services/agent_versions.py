"""What the services about versions of agents have in common."""

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from agentops.common.types import JsonObject
from runs.definitions import PROGRAM, PROGRAM_VERSION, program_for
from runs.engine.agent_definition import AgentDefinition
from runs.engine.errors import ProgramError
from runs.models import Agent, AgentVersion
from runs.selectors.agents import agent_for, version_for
from runs.services.check_definition import digest_of
from runs.services.checks import check_text

MAX_NOTE_CHARACTERS = 1000


def locked_agent(actor: Actor, slug: str) -> Agent:
    """Return the agent, locked until the end of the transaction; runs of it can start meanwhile.

    Raises: NotAllowedError without the scope `admin`; NotFoundError.
    """
    actor.require(Scope.ADMIN)
    return Agent.objects.select_for_update(no_key=True).get(pk=agent_for(actor, slug).pk)


def checked_note(note: str) -> str:
    """Return what somebody says about a change. Raises: InvalidInputError."""
    if note:
        check_text("/note", note, MAX_NOTE_CHARACTERS)
    return note


def insert_version(*, actor: Actor, agent: Agent, number: int, definition: JsonObject, note: str) -> AgentVersion:  # fmt: skip
    """Return the version, not yet published."""
    told = AgentDefinition.from_json(definition)
    return AgentVersion.objects.create(
        team_id=agent.team_id, agent=agent, number=number, program=PROGRAM, program_version=PROGRAM_VERSION,
        source_hash=digest_of(definition), input_schema=told.input_schema, recovery=told.recovery, definition=definition,
        note=note, created_by=actor.name[:200],
    )  # fmt: skip


def newest_published(agent: Agent) -> int:
    """Return the number of the version that starts; 0 when none does."""
    found = agent.versions.filter(published_at__isnull=False).order_by("-number")
    return found.values_list("number", flat=True).first() or 0


def startable(actor: Actor, slug: str, number: int) -> AgentVersion:
    """Return the version, whose program is installed here.

    Raises: NotFoundError; ConflictError.
    """
    version = version_for(actor, slug, number)
    try:
        program_for(version)
    except ProgramError as error:
        raise ConflictError(f"the code of version {number} is not installed on this server: {error}") from error  # fmt: skip
    return version


def show_as(agent: Agent, version: AgentVersion) -> None:
    """Let the agent bear the name, description and queue of the version that starts from now on."""
    if version.definition is not None:
        told = AgentDefinition.from_json(version.definition)
        Agent.objects.filter(pk=agent.pk).update(
            title=told.title or agent.slug, description=told.description, queue=told.queue
        )
