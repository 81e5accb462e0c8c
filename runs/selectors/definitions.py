"""Reading what agents are made of: the documents of their versions, and the tools to choose from."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from agentops.common.types import JsonObject
from runs.engine.agent_definition import FORMAT, filled
from runs.engine.tools import Effect
from runs.llm.inner import INNER
from runs.models import Agent, AgentVersion, Run
from runs.programs import programs
from runs.selectors.agents import version_for
from runs.selectors.providers import providers_for
from runs.tools.registry import all_tools

COUNTED_RUNS = 1000
SHOWN_NAMES = 50


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that agents may be given."""

    name: str
    effect: Effect
    description: str
    args_schema: JsonObject
    is_idempotent: bool


def tools_for(actor: Actor) -> list[OfferedTool]:
    """Return the tools that are installed here, by name. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    programs()
    registered = [
        OfferedTool(it.name, it.effect, it.description, it.args_schema, it.idempotent) for it in all_tools()
    ]
    inside = [OfferedTool(it.name, it.effect, it.description, it.args_schema, True) for it in INNER.values()]  # noqa: FBT003 -- a field
    return sorted([*registered, *inside], key=lambda it: it.name)


def document_of(version: AgentVersion) -> JsonObject:
    """Return what the version is made of, as a document that can be compared with another one's.

    Of an agent of code that is which code, with its input schema and recovery policy.
    """
    if version.definition is not None:
        return filled(version.definition)
    return {
        "program": version.program, "program_version": version.program_version, "source_hash": version.source_hash,
        "input_schema": version.input_schema, "recovery": version.recovery,
    }  # fmt: skip


def export_of(actor: Actor, slug: str, number: int | None = None) -> JsonObject:
    """Return the file by which a version is carried to another team or server; the newest published one by default.

    Raises: NotFoundError; ConflictError for an agent of code.
    """
    version = version_for(actor, slug, number)
    if version.definition is None:
        raise ConflictError(f"the agent {slug!r} is made of code: carry its files over instead")
    return {"format": FORMAT, "slug": slug, "version": version.number, "definition": filled(version.definition)}  # fmt: skip


def names_for(actor: Actor) -> dict[str, list[str]]:
    """Return what the team has that definitions may name: `models` of its providers, and `agents`."""
    models = [f"{it.slug}/{model['name']}" for it in providers_for(actor) for model in it.catalog]
    agents = Agent.objects.filter(team_id=actor.team_id).order_by("slug").values_list("slug", flat=True)
    return {"models": models[:SHOWN_NAMES], "agents": list(agents[:SHOWN_NAMES])}


def runs_by_version(actor: Actor, agent: Agent) -> dict[UUID, int]:
    """Return how many of the agent's newest COUNTED_RUNS runs each of its versions has."""
    actor.require(Scope.READ)
    newest = Run.objects.filter(team_id=actor.team_id, agent=agent).order_by("-created_at", "-id")
    return dict(Counter(newest.values_list("agent_version_id", flat=True)[:COUNTED_RUNS]))
