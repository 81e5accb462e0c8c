"""The world of the random programs: what it was asked and what was done to it, kept in memory; and the interpreter."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runs.engine.commands import Command
from runs.engine.frozen import thaw
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
from tests.property.plans import NODE_ATTEMPTS, Op, entry_at, tag_of

PATIENT = RetryPolicy(max_attempts=500, first_seconds=0.0002, max_seconds=0.0005)
QUICK = RetryPolicy(max_attempts=NODE_ATTEMPTS, first_seconds=0.0002, max_seconds=0.0005)
LONG_SECONDS = 600.0


@dataclass
class World:
    """`applied` has the number of times that each entry was done; `meddle` is called around every call."""

    n_calls: Counter[str] = field(default_factory=Counter)
    applied: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    meddle: Callable[[str], None] = lambda _: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """Begin anew."""
        for kept in (self.n_calls, self.applied, self.answers, self.keys):
            kept.clear()

    def ask(self, call: ToolCall, entry: str, tag: str, faults: list[str], *, kind: str) -> dict[str, str]:
        """Do what a tool is asked to, or fail as the plan says."""
        self.meddle("before the call")
        with self.lock:
            answer = self._done(call, entry, tag, faults, kind)
        self.meddle("after the call")
        return answer

    def _done(self, call: ToolCall, entry: str, tag: str, faults: list[str], kind: str) -> dict[str, str]:
        n = self.n_calls[entry]
        fault = "denied" if "denied" in faults else faults[n] if n < len(faults) else ""
        self.n_calls[entry] += 1
        if fault in ("", "timeout", "crash"):
            self._apply(call, entry, tag, kind)
        if fault:
            make = _FAULTS[fault]
            raise make()
        return dict(self.answers[entry]) if kind != "read" else {"entry": entry, "tag": tag}

    def _apply(self, call: ToolCall, entry: str, tag: str, kind: str) -> None:
        if kind == "read" or (kind != "once" and call.idempotency_key in self.keys[entry]):
            return
        self.keys[entry].add(call.idempotency_key)
        self.applied[entry] += 1
        self.answers[entry] = {"entry": entry, "tag": tag}


_FAULTS: dict[str, Callable[[], Exception]] = {
    "flaky": lambda: ToolError("not now", code="flaky"),
    "busy": lambda: ToolError("come back later", code="busy", retry_after_seconds=LONG_SECONDS),
    "denied": lambda: ToolError("never", code="denied", retryable=False),
    "lost": lambda: ToolError("no answer", code="timeout", is_outcome_unknown=True),
    "timeout": lambda: ToolError("no answer", code="timeout", is_outcome_unknown=True),
    "crash": lambda: RuntimeError("the connection broke"),
}
world = World()


@tool("world.read", effect="read", retry=PATIENT)
def read(call: ToolCall, *, entry: str, tag: str, faults: list[str], attempt: int = 0) -> Any:
    """Look."""
    return world.ask(call, entry, tag, faults, kind="read")


@tool("world.write", effect="write", retry=PATIENT)
def write(call: ToolCall, *, entry: str, tag: str, faults: list[str]) -> Any:
    """Do something, once per key."""
    return world.ask(call, entry, tag, faults, kind="write")


@tool("world.keyed", effect="write", retry=PATIENT, key_template="{entry}")
def keyed(call: ToolCall, *, entry: str, tag: str, faults: list[str]) -> Any:
    """Do something, once per key, under a key that says what it is."""
    return world.ask(call, entry, tag, faults, kind="keyed")


@tool("world.once", effect="destructive", idempotent=False, retry=PATIENT)
def once(call: ToolCall, *, entry: str, tag: str, faults: list[str]) -> Any:
    """Do something as often as it is asked for."""
    return world.ask(call, entry, tag, faults, kind="once")


class Plans(Program):
    """Does what the plan in its input says."""

    name = "test-plans"

    @node(start=True, retry=QUICK)
    def even(self, ctx: Context, state: Any) -> Command:
        return self._step(ctx, state, "odd")

    @node(retry=QUICK)
    def odd(self, ctx: Context, state: Any) -> Command:
        return self._step(ctx, state, "even")

    def _step(self, ctx: Context, state: Any, following: str) -> Command:
        index = state.get("at", 0)
        spec = state["plan"][index]
        results: list[Any] = []
        for place, op in enumerate([*spec["ops"], None]):
            if ctx.attempt <= spec["raises"] and place == spec["raise_at"]:
                raise RuntimeError(f"attempt {ctx.attempt}")
            if op is not None:
                results.append(self._do(ctx, op, entry_at(index, place), tag_of(results)))
        changed: dict[str, Any] = {"set": {"at": index + 1}, "append": {"results": results}}
        if spec["end"] == "fail":
            return Fail("the plan says so", code="gave_up")
        if spec["end"] == "finish":
            return Finish(output={"at": index + 1}, **changed)
        if spec["end"] == "sleep":
            return Sleep(following, 3600.0, **changed)
        return Goto(following, **changed)

    def _do(self, ctx: Context, op: Op, entry: str, tag: str) -> Any:
        match op["kind"]:
            case "now":
                return ctx.now()
            case "random":
                return ctx.random()
            case "log":
                ctx.log(entry)
                return "noted"
            case "sleep":
                ctx.sleep(op["seconds"])
                return "slept"
            case "gather":
                return self._gather(ctx, op, entry, tag)
            case _:
                return self._call(ctx, op, entry, tag)

    def _gather(self, ctx: Context, op: Op, entry: str, tag: str) -> list[Any]:
        calls = [
            Call(f"world.{call['kind']}", entry=f"{entry}.{part}", tag=tag, faults=call["faults"])
            for part, call in enumerate(op["calls"])
        ]
        found = ctx.gather(*calls, max_parallel=op["parallel"], return_errors=op["catch"])
        return ["failed" if isinstance(result, ActionFailedError) else thaw(result) for result in found]

    def _call(self, ctx: Context, op: Op, entry: str, tag: str) -> Any:
        more = {}
        faults = op["faults"]
        if until := op.get("denied_until"):
            more = {"attempt": min(ctx.attempt, until + 1)}
            faults = ["denied"] if ctx.attempt <= until else []
        try:
            return thaw(ctx.tool(f"world.{op['kind']}", entry=entry, tag=tag, faults=faults, **more))
        except ActionFailedError:
            if not op["catch"]:
                raise
            return "failed"
