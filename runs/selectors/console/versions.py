"""Reads about the versions that a run could go on in."""

from dataclasses import dataclass

from agentops.accounts.roles import Actor
from runs.definitions import program_for
from runs.engine.errors import ProgramError
from runs.models import AgentVersion, Run
from runs.selectors.agents import versions_for

SHOWN_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Fit:
    """A version, and why the run cannot go on in it; empty when it can."""

    version: AgentVersion
    problem: str


def versions_to_migrate_to(actor: Actor, run: Run) -> list[Fit]:
    """Return the newest versions of the run's agent, each with whether its code is here and has the run's node.

    Raises: NotFoundError
    """
    return [
        Fit(version, _problem(run, version))
        for version in versions_for(actor, run.agent.slug)[:SHOWN_VERSIONS]
    ]


def _problem(run: Run, version: AgentVersion) -> str:
    try:
        nodes = program_for(version).nodes
    except ProgramError as error:
        return str(error)
    return "" if run.node in nodes else f"has no node {run.node!r}; it has {', '.join(nodes)}"
