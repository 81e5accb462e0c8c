"""Agents without code in tests: a definition, a script that the rehearsal model plays, and a run of a version."""

import json
from typing import Any

from runs.models import AgentVersion, Run
from runs.services.create_agent import create_agent
from runs.services.publish_version import publish_version
from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.runs import drive


def a_definition(**more: Any) -> dict[str, Any]:
    return {"title": "Helper", "instructions": "You help.", "tools": ["talk.double"], **more}


def script(*turns: dict[str, Any]) -> str:
    """A task that tells the rehearsal model what to say in each turn."""
    return f"Play this.\n```rehearsal\n{json.dumps(turns)}\n```"


def calling(tool: str, **args: Any) -> dict[str, Any]:
    return {"tool": tool.replace(".", "_"), "args": args}


def an_agent(world: World, slug: str = "helper", **more: Any) -> AgentVersion:
    """The published first version of an agent of team Analytical."""
    create_agent(actor=actor(world.ada), slug=slug, definition=a_definition(**more))
    return publish_version(actor=actor(world.ada), slug=slug, number=1)


def play(world: World, *turns: dict[str, Any], slug: str = "helper", version: int | None = None) -> Run:
    """A run of the agent that plays the turns, driven to its end."""
    return drive(begin(world, *turns, slug=slug, version=version))


def begin(world: World, *turns: dict[str, Any], slug: str = "helper", version: int | None = None) -> Run:
    run, _ = start_run(actor=actor(world.ada), agent=slug, input={"task": script(*turns)}, version=version)
    return run
