"""The agent of the benchmark of models."""

from runs.engine.definition import LlmDefinition, SessionLimits
from runs.llm.program import LlmAgent
from runs.program import ToolCall, tool


@tool("bench.double", effect="compute")
def double(call: ToolCall, *, number: int) -> int:
    """Return twice the number."""
    return 2 * number


class Talks(LlmAgent):
    """Thinks, calls a tool, thinks again, and finishes, as the script in its task says."""

    name = "bench-talks"
    definition = LlmDefinition(
        instructions="You double numbers with your tool, one after the other, and finish with what came of it.",
        tools=["bench.double"],
        session=SessionLimits(tool_calls=None),
    )
