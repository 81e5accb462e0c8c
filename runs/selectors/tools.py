"""Reading what tools promise."""

from agentops.common.types import JsonObject
from runs.engine.errors import ProgramError
from runs.programs import programs
from runs.tools.registry import get_tool


def output_schema_of(tool: str) -> JsonObject | None:
    """Return the JSON Schema of what the tool returns; None when it declares none, or is not installed here.

    Tools come with the programs that use them, so those are loaded first: a web process may not have needed any yet.
    """
    programs()
    try:
        return get_tool(tool).output_schema
    except ProgramError:
        return None
