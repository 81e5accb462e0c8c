"""`many-steps`: as many small steps as asked for, to try the console and the clock with much data."""

from typing import Any

from runs.program import Context, Fail, Finish, Goto, Program, node


class ManySteps(Program):
    name = "many-steps"
    title = "Many steps"
    description = "Takes as many small steps as asked for, to see the product under load."
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["steps"],
        "properties": {
            "steps": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "title": "Steps"},
            "fail_at": {"type": "integer", "minimum": 1, "title": "Step to fail at"},
        },
    }

    def title_of(self, state: Any) -> str:
        return f"{state['steps']:,} steps"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Goto | Finish | Fail:
        """Count one further."""
        done = state.get("done", 0) + 1
        ctx.progress(done, state["steps"], "steps")
        if done == state.get("fail_at"):
            return Fail(f"step {done} failed, as asked for", code="as_asked_for")
        if done == state["steps"]:
            return Finish(output={"steps": done}, set={"done": done}, note=f"step {done:,}")
        return Goto("step", set={"done": done}, note=f"step {done:,}")
