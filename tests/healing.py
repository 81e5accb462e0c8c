"""Programs whose nodes fail, with policies for what is tried then; and tools that fail as often as they are told."""

from typing import Any

import psycopg

from runs.engine.commands import Command
from runs.program import (
    Call,
    Context,
    Fail,
    Finish,
    Goto,
    Program,
    RetryPolicy,
    ToolCall,
    ToolError,
    heal,
    node,
    tool,
)
from tests.ledger import dsn, may_succeed, write_entry

ONCE = RetryPolicy(max_attempts=1)


def asked(entry: str) -> int:
    """Return how often the world was asked for the entry before, and count this time."""
    with psycopg.connect(dsn(), autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM outside_asked WHERE entry = %s", (entry,)).fetchone()
        connection.execute("INSERT INTO outside_asked (key, entry) VALUES ('', %s)", (entry,))
        return int(row[0]) if row else 0


@tool("test.until", effect="read", retry=ONCE)
def until(call: ToolCall, *, entry: str, n: int, code: str) -> str:
    """Fail with the code the first `n` times."""
    if asked(entry) < n:
        raise ToolError(f"{entry} broke", code=code)
    return entry


@tool("test.writes_until", effect="write", retry=ONCE)
def writes_until(call: ToolCall, *, entry: str, n: int, code: str) -> str:
    """Write, then fail with the code the first `n` times."""
    write_entry(call, f"written {entry}")
    return until(call, entry=entry, n=n, code=code)


@tool("test.copy", effect="read", retry=ONCE)
def copy(call: ToolCall, *, entry: str, n: int, code: str) -> str:
    """Know what test.until knows."""
    return f"copy of {entry}"


@tool("test.patient", effect="read", retry=ONCE, timeout_seconds=10.0)
def patient(call: ToolCall, *, seconds: float) -> float:
    """Need so many seconds."""
    if call.timeout_seconds < seconds:
        raise ToolError(f"not within {call.timeout_seconds:g} s", code="timeout")
    return call.timeout_seconds


@tool("test.news", effect="read", retry=ONCE)
def news(call: ToolCall, *, of: str) -> int:
    """Answer while the gate is shut, and fail ever after."""
    if may_succeed():
        raise ToolError("gone", code="http_5xx")
    return asked(of)


@tool("test.shaped", effect="read", retry=ONCE, output_schema={"type": "object", "required": ["id"]})
def shaped(call: ToolCall, *, entry: str, n: int) -> dict[str, Any]:
    """Return what does not fit the first `n` times."""
    return {"no": 1} if asked(entry) < n else {"id": 1}


class Climbs(Program):
    """Does the calls of its input, one after the other or (`beside`) side by side, and ends."""

    name = "test-climbs"
    output_schema = {"not": {"const": "nothing"}}
    recovery = (
        heal.on("timeout", rungs=[heal.longer_timeout(), heal.longer_timeout(factor=3, max_seconds=60), heal.dead_letter()]),
        heal.on("unavailable", tool="test.news", rungs=[heal.cached_read(), heal.skip(value="no news")]),
        heal.on("flaky", rungs=[heal.retry(times=3, after_seconds=30)]),
        heal.on("gone", rungs=[heal.other_tool("test.nowhere"), heal.other_tool("test.mail"), heal.other_tool("test.copy")]),
        heal.on("doubtful", rungs=[heal.ask(times=2)]),
        heal.on("lost", rungs=[heal.skip(value={"lost": True}), heal.skip(to="end")]),
        heal.on("stale", rungs=[heal.retry(from_node="start", after_seconds=0), heal.dead_letter()]),
        heal.on("invalid_output", rungs=[heal.retry(after_seconds=0, times=2), heal.skip(to="end")]),
        heal.on("unwanted", rungs=[heal.reduced_tools(), heal.other_model("small")]),
        heal.on("tool_withheld", rungs=[heal.skip(to="end")]),
    )  # fmt: skip

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        return Goto("work", set={"seen": ctx.tool("test.until", entry="start", n=0, code="")})

    @node(retry=ONCE)
    def work(self, ctx: Context, state: Any) -> Command:
        if state.get("beside"):
            results = ctx.gather(*(Call(name, **args) for name, args in state["calls"]))
        else:
            results = [ctx.tool(name, **args) for name, args in state["calls"]]
        return Goto("end", set={"results": results})

    @node(retry=ONCE)
    def end(self, ctx: Context, state: Any) -> Command:
        return Finish(output=state.get("results", "skipped"))


class Strict(Program):
    """Leaves a state, or puts out, what fits no schema until it is told `good`; and may fail as its input says."""

    name = "test-strict"
    state_schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    output_schema = {"type": "integer"}
    recovery = (
        heal.on("invalid_state", rungs=[heal.retry(after_seconds=0, times=2), heal.skip(to="end")]),
        heal.on("invalid_output", node="end", rungs=[heal.dead_letter()]),
        heal.on("RuntimeError", rungs=[heal.retry(after_seconds=0)]),
        heal.on("*", rungs=[heal.retry(after_seconds=0, times=20)]),
    )  # fmt: skip

    @node(start=True, retry=ONCE)
    def count(self, ctx: Context, state: Any) -> Command:
        if state.get("says"):
            return Fail("no", code="agent_says")
        if state.get("asks"):
            ctx.approve("go on?")
        if state.get("raises"):
            raise RuntimeError("as told")
        return Goto("end", set={"count": 1 if asked("count") >= state["good"] else "many"})

    @node(retry=ONCE)
    def end(self, ctx: Context, state: Any) -> Command:
        return Finish(output=state.get("out", 1))


class MailsAndClimbs(Program):
    """Sends an e-mail, fails at what comes next until the gate is open, and is healed from before the mail."""

    name = "test-mails-and-climbs"
    recovery = (heal.on("closed", rungs=[heal.retry(from_node="think", after_seconds=0, times=3)]),)

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        return Goto("think")

    @node
    def think(self, ctx: Context, state: Any) -> Command:
        n = state.get("n", 0) + 1
        return Goto("think" if n < 9 else "send", set={"n": n})

    @node
    def send(self, ctx: Context, state: Any) -> Command:
        return Goto("check", set={"sent": ctx.tool("test.mail", to="ada")})

    @node(retry=ONCE)
    def check(self, ctx: Context, state: Any) -> Command:
        return Finish(
            output={
                "seen": ctx.tool("test.until", entry="check", n=state["fails"], code="closed"),
                "sent": state["sent"],
            }
        )
