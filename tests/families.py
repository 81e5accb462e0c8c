"""Small programs that start other runs, and those that they start."""

from typing import Any

from runs.engine.commands import Command
from runs.program import ActionFailedError, Context, Fail, Finish, Program, RetryPolicy, child, node, signal
from tests.agents import QUICK


class Starts(Program):
    """Starts the runs of the input: one child (`start`, `run`) or one for each of the inputs (`map`)."""

    name = "test-starts"

    @node(start=True, retry=QUICK)
    def start(self, ctx: Context, state: Any) -> Command:
        more = dict(state.get("more", {}))
        if state["how"] == "map":
            return Finish(output=ctx.map_children(state["agent"], state["inputs"], **more))
        if state["how"] == "run":
            return Finish(output=ctx.run_child(state["agent"], state["input"], **more))
        started = ctx.start_child(state["agent"], state["input"], **more)
        if state["how"] == "start":
            return Finish(output=started)
        return Finish(output=ctx.wait_for(child(started)))


class Stubborn(Program):
    """Ends as its input says: `ok`, `fail`, or `wait` for a signal."""

    name = "test-stubborn"
    input_schema = {
        "type": "object",
        "properties": {"how": {"enum": ["ok", "fail", "wait", "nap"]}, "n": {"type": "integer"}},
        "required": ["how"],
    }

    def title_of(self, state: Any) -> str:
        return f"{state['how']} {state.get('n', '')}".strip()

    @node(start=True, retry=RetryPolicy(max_attempts=1))
    def work(self, ctx: Context, state: Any) -> Command:
        if state["how"] == "wait":
            return Finish(output={"heard": ctx.wait_for(signal("parent_ended"))["payload"]})
        if state["how"] == "nap":
            ctx.sleep(3600)
        if state["how"] == "fail":
            return Fail("it had to be", code="stubborn")
        return Finish(output={"n": state.get("n", 0)})


class ReadsChildren(Program):
    """Maps, reads all outputs by reference, and asks for those of a stranger."""

    name = "test-reads-children"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        entries = ctx.map_children("test-stubborn", state["inputs"])
        outputs = ctx.child_outputs(*entries)
        try:
            ctx.child_outputs(ctx.run_id)
        except ActionFailedError as error:
            return Finish(output={"entries": entries, "outputs": outputs, "stranger": str(error)})
        return Fail("a stranger's output was given away")


class LeavesChildren(Program):
    """Starts a child that sleeps and does not wait for it; then runs another with the input `then`, or fails over it."""

    name = "test-leaves-children"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        ctx.start_child("test-stubborn", {"how": "nap"})
        return Finish(output=ctx.run_child("test-stubborn", state["then"]))


class ReadsOutputs(Program):
    """Maps, and returns all outputs, read by reference."""

    name = "test-reads-outputs"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        return Finish(output=ctx.child_outputs(*ctx.map_children("test-stubborn", state["inputs"])))
