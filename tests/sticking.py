"""A portal whose door may be shut, and agents that get stuck before it."""

from typing import Any

from runs.engine.definition import LlmDefinition
from runs.llm.program import LlmAgent
from runs.program import Context, Finish, Goto, Program, RetryPolicy, Sleep, ToolCall, ToolError, node, tool


class Door:
    """What the portal answers: `again`, `in` or `broken`."""

    answer = "again"


@tool("door.login", effect="read", retry=RetryPolicy(max_attempts=3, first_seconds=0.01, max_seconds=0.02))
def door_login(call: ToolCall, *, user: str) -> str:
    """Sign in at the portal."""
    if Door.answer == "broken":
        raise ToolError(f"portal 7 sent 503 for {user!r}", code="http_503")
    return Door.answer


class AtTheDoor(Program):
    """Signs in until it is let in, six tries at a time."""

    name = "test-at-the-door"

    @node(start=True)
    def login(self, ctx: Context, state: Any) -> Goto | Sleep | Finish:
        n = state.get("n", 0) + 1
        if ctx.tool("door.login", user=state["user"]) == "in":
            return Finish(output={"tries": n})
        if n % 6:
            return Goto("login", set={"n": n})
        return Sleep("login", seconds=3600, set={"n": n})


class TalksAtTheDoor(LlmAgent):
    name = "test-talks-at-the-door"
    definition = LlmDefinition(instructions="File the case.", tools=["door.login"])
