"""Small programs that the tests run on the real shell."""

import os
import re
import signal
import time
from dataclasses import replace
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.ids import new_token
from runs.engine.commands import Command
from runs.journal.fence import execute
from runs.program import (
    ActionFailedError,
    Call,
    Context,
    Fail,
    Finish,
    Goto,
    Program,
    RetryPolicy,
    Sleep,
    ToolCall,
    ToolError,
    node,
    tool,
)
from runs.services.kill_run import kill_run
from tests.ledger import may_succeed, write_entry

QUICK = RetryPolicy(max_attempts=3, first_seconds=0.01, max_seconds=0.05)


@tool("test.echo", effect="read")
def echo(call: ToolCall, *, value: Any) -> Any:
    """Return the value."""
    return value


@tool("test.ledger", effect="write")
def ledger(call: ToolCall, *, entry: str) -> dict[str, Any]:
    """Write to the outside ledger, which honours idempotency keys."""
    return write_entry(call, entry)


@tool(
    "test.once", effect="destructive", idempotent=False, output_schema={"type": "object", "required": ["id"]}
)
def once(call: ToolCall, *, entry: str, fail: str = "") -> dict[str, Any]:
    """Write to the ledger under a key of its own each time: calling it twice does it twice."""
    if fail == "known":
        raise ToolError("refused before anything happened", code="refused")
    result = write_entry(replace(call, idempotency_key=f"{entry}:{new_token()}"), entry)
    if fail == "timeout":
        raise ToolError("no answer in time", code="timeout", is_outcome_unknown=True)
    if fail == "crash":
        raise RuntimeError("the connection broke")
    return {"id": 1, **result}


@tool("test.steals", effect="write")
def steals(call: ToolCall, *, entry: str) -> dict[str, Any]:
    """Write to the ledger while another worker takes the run over."""
    execute("UPDATE runs_run SET epoch = epoch + 1 WHERE id = %(id)s", {"id": call.run_id})
    return write_entry(call, entry)


@tool("test.kills", effect="destructive", idempotent=False)
def kills(call: ToolCall, *, entry: str) -> dict[str, Any]:
    """Write to the ledger while a person kills the run."""
    kill_run(actor=Actor(call.team_id, None, "Ada", frozenset(Scope)), run_id=call.run_id, reason="now")
    return write_entry(call, entry)


@tool("test.gate", effect="read", retry=QUICK)
def gate(call: ToolCall) -> str:
    """Fail until the ledger says otherwise."""
    if not may_succeed():
        raise ToolError("closed", code="flaky")
    return "open"


@tool("test.slow", effect="read", retry=QUICK)
def slow(call: ToolCall, *, seconds: float, value: Any = None) -> Any:
    """Take a while."""
    time.sleep(seconds)
    return value


@tool("test.flaky", effect="read", retry=QUICK)
def flaky(call: ToolCall, *, until: int) -> int:
    """Fail before the attempt `until`."""
    if call.attempt < until:
        raise ToolError(f"not yet, this is attempt {call.attempt}", code="flaky")
    return call.attempt


@tool("test.slow_retry", effect="read", retry=RetryPolicy(max_attempts=3))
def slow_retry(call: ToolCall, *, seconds: float) -> int:
    """Fail once and ask to be left alone for a while."""
    if call.attempt == 1:
        raise ToolError("busy", code="busy", retry_after_seconds=seconds)
    return call.attempt


@tool("test.returns", effect="compute")
def returns(call: ToolCall, *, what: str) -> Any:
    """Return something that is hard to store."""
    return {
        "set": {1, 2},
        "nul": "a\0b",
        "surrogate": "a\ud800b",
        "nan": float("nan"),
        "large": "x" * (5 << 20),
        "deep": _deep(500),
    }[what]


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class Steps(Program):
    """`n` trivial node steps."""

    name = "test-steps"
    input_schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
    }

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        done = state.get("done", 0) + 1
        if done >= state["n"]:
            return Finish(output={"done": done}, set={"done": done})
        return Goto("step", set={"done": done})


class Effects(Program):
    """`n` nodes, each of which reads, writes to the ledger, and lasts a little."""

    name = "test-effects"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        i = state.get("i", 0)
        ctx.tool("test.echo", value=i)
        ctx.tool("test.ledger", entry=f"{state['run']}:{i}")
        time.sleep(state.get("seconds", 0.0))
        ctx.progress(i + 1, state["n"])
        if i + 1 >= state["n"]:
            return Finish(output={"n": i + 1}, set={"i": i + 1}, append={"log": i})
        return Goto("step", set={"i": i + 1}, append={"log": i}, note=f"entry {i}")


class Naps(Program):
    """Sleeps inside a node, then between nodes."""

    name = "test-naps"

    @node(start=True)
    def first(self, ctx: Context, state: Any) -> Command:
        before, chance = ctx.now(), ctx.random()
        ctx.tool("test.ledger", entry=f"{state['run']}:before")
        ctx.log("going to sleep")
        ctx.sleep(state["seconds"])
        return Sleep(
            "second", seconds=state["seconds"], set={"before": before, "chance": chance, "again": ctx.now()}
        )

    @node
    def second(self, ctx: Context, state: Any) -> Command:
        return Finish(output=dict(state))


class Calls(Program):
    """Calls one tool with the arguments of the input, asking people first about the arguments `asks`; with `catch`, goes on when it fails."""

    name = "test-calls"

    @node(start=True)
    def call(self, ctx: Context, state: Any) -> Command:
        if state.get("asks"):
            ctx.approve(state["tool"], args=state["asks"], summary="It is due")
        try:
            result = ctx.tool(state["tool"], **state.get("args", {}))
        except ActionFailedError as error:
            if state.get("catch"):
                return Finish(output={"caught": error.error_code, "attempts": error.attempts})
            raise
        return Finish(output={"result": result})


class Gathers(Program):
    """Makes the calls of the input side by side."""

    name = "test-gathers"

    @node(start=True)
    def gather(self, ctx: Context, state: Any) -> Command:
        calls = [Call(call["tool"], **call["args"]) for call in state["calls"]]
        results = ctx.gather(
            *calls, return_errors=bool(state.get("errors")), max_parallel=state.get("parallel", 8)
        )
        return Finish(output=[str(r) if isinstance(r, Exception) else r for r in results])


class SecondTry(Program):
    """Writes, then passes a gate that is closed at first."""

    name = "test-second-try"

    @node(start=True)
    def work(self, ctx: Context, state: Any) -> Command:
        written = ctx.tool("test.ledger", entry=state["run"])
        return Finish(output={"ledger": written, "gate": ctx.tool("test.gate")})


@tool("test.nul_write", effect="write")
def nul_write(call: ToolCall) -> str:
    """Return text that is hard to store."""
    return "a\0b"


class LogsWrite(Program):
    """Logs around a write."""

    name = "test-logs-write"

    @node(start=True)
    def work(self, ctx: Context, state: Any) -> Command:
        ctx.log("before")
        ctx.tool("test.nul_write")
        ctx.log("after")
        return Finish()


class Poison(Program):
    """Ends the process that runs its second node: with a segmentation fault, or by holding the interpreter."""

    name = "test-poison"

    @node(start=True)
    def first(self, ctx: Context, state: Any) -> Command:
        return Goto("second", set={"reached": True})

    @node
    def second(self, ctx: Context, state: Any) -> Command:
        if state["how"] == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(5)
        re.match(r"^(a+)+$", "a" * state["length"] + "b")
        return Finish()


class Typed(Program):
    """Leaves a state that fits its schema only from the attempt that the input names on."""

    name = "test-typed"
    state_schema = {"type": "object", "properties": {"count": {"type": "integer"}}}

    @node(start=True, retry=QUICK)
    def count(self, ctx: Context, state: Any) -> Command:
        return Finish(
            set={"count": 1 if ctx.attempt >= state["good"] else "many"}, output={"attempt": ctx.attempt}
        )


class Misbehaves(Program):
    """Does what the input's `how` says; nodes are tried three times, quickly."""

    name = "test-misbehaves"

    @node(start=True, retry=QUICK)
    def start(self, ctx: Context, state: Any) -> Command:
        return getattr(self, state["how"])(ctx, state)  # type: ignore[no-any-return]  # a method below

    def raises(self, ctx: Context, state: Any) -> Command:
        raise RuntimeError(f"attempt {ctx.attempt}")

    def recovers(self, ctx: Context, state: Any) -> Command:
        if ctx.attempt < 3:
            raise RuntimeError(f"attempt {ctx.attempt}")
        return Finish(output={"attempt": ctx.attempt})

    def fails(self, ctx: Context, state: Any) -> Command:
        return Fail("the agent gave up", code="gave_up")

    def bad_pointer(self, ctx: Context, state: Any) -> Command:
        return Goto("start", set={"/nowhere/deep": 1})

    def bad_node(self, ctx: Context, state: Any) -> Command:
        return Goto("elsewhere")

    def not_a_command(self, ctx: Context, state: Any) -> Any:
        return "next"

    def exits(self, ctx: Context, state: Any) -> Command:
        raise SystemExit(3)

    def mutates(self, ctx: Context, state: Any) -> Command:
        state["how"] = "changed"
        return Finish()

    def regex(self, ctx: Context, state: Any) -> Command:
        re.match(r"^(a+)+$", "a" * state["length"] + "b")
        return Finish()

    def swallows(self, ctx: Context, state: Any) -> Command:
        try:
            ctx.sleep(3600)
        except:  # noqa: E722 -- an agent that swallows everything
            ctx.tool("test.ledger", entry="must never be written")
        return Finish(output="must never be seen")


class Fickle(Program):
    """Asks for another action each time it runs: the second execution must be found out."""

    name = "test-fickle"
    times = 0

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        Fickle.times += 1
        ctx.tool("test.echo", value=Fickle.times)
        ctx.sleep(0.01)
        return Finish()


class Counted(Program):
    """Its code says how many of its runs may be executed at once, and how many for one customer."""

    name = "test-counted"
    queue = "counted"
    max_running = 5
    concurrency_key = "account-{order.customer}"
    max_running_per_key = 1

    @node(start=True)
    def only(self, ctx: Context, state: Any) -> Command:
        return Finish(output=None)
