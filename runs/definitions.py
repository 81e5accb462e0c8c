"""The program of an agent version: its code as it is installed here, or the one that its definition stands for."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from agentops.common.types import JsonObject
from runs.engine.agent_definition import AgentDefinition, told_task
from runs.engine.program import Program
from runs.llm.program import OWN_MEMBERS, LlmAgent
from runs.models import AgentVersion
from runs.programs import get_program, programs

PROGRAM = "defined-agent"
PROGRAM_VERSION = "1"
KEPT = 512

_made: dict[UUID, type[Program]] = {}
_lock = threading.Lock()


class DefinedAgent(LlmAgent):
    """What agents that were made without code have in common: the task is made of the input as the definition says."""

    name = PROGRAM
    version = PROGRAM_VERSION
    task_template = ""

    def task_of(self, state: Any) -> str:
        given = {name: value for name, value in dict(state).items() if name not in OWN_MEMBERS}
        return told_task(self.task_template, given)


def program_for(version: AgentVersion) -> type[Program]:
    """Return the program that executes runs of the version; `version` bears its agent.

    Raises: ProgramError when its code is not installed here.
    """
    if version.definition is None:
        return get_program(version.program, version.program_version)
    return defined_program(version.pk, lambda: version)


def defined_program(version_id: UUID, load: Callable[[], AgentVersion]) -> type[Program]:
    """Return the program of a version with a definition; `load` gives the version, with its agent, where it is not kept."""
    programs()  # its tools come with the programs that are installed here
    found = _made.get(version_id)
    if found is None:
        version = load()
        assert version.definition is not None
        found = built(version.agent.slug, version.definition)
        with _lock:
            _made[version_id] = found
            while len(_made) > KEPT:
                del _made[next(iter(_made))]
    return found


def built(slug: str, document: JsonObject) -> type[Program]:
    """Return the program that a definition stands for. Versions never change, so neither does what is made of one."""
    told = AgentDefinition.from_json(document)
    members = {
        "name": slug, "title": told.title or slug, "description": told.description, "queue": told.queue,
        "definition": told.llm, "input_schema": told.input_schema, "state_schema": told.state_schema,
        "task_template": told.task,
    }  # fmt: skip
    return type("DefinedAgent", (DefinedAgent,), members)
