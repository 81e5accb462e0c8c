"""The programs that the benchmarks run on the product, brought along as any agent is: `AGENTS=benchmarks/agents`."""

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.marks import EFFECT_SECONDS, N_STEPS, effect, mark
from runs.engine.commands import Command
from runs.program import Context, Finish, Goto, Program, Sleep, ToolCall, event, node, tool

_entries: list[float] = []
# Made before anything is measured: a step's body is free, for the peers too.
_STEPS = list(workload.steps(int(os.environ.get("BENCH_STEPS", "0"))))


class Appends(Program):
    """W1: each step appends a message of 1.5 KB and replaces two of forty keys."""

    name = "bench-appends"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        _entries.append(time.time())
        i = len(state["messages"])
        if i == state["n"]:
            with Path(os.environ["BENCH_MARKS"]).with_name("entries").open("a") as file:
                file.write(json.dumps(_entries) + "\n")
            _entries.clear()
            return Finish()
        said, changed = _STEPS[i]
        return Goto(
            "step", append={"messages": said}, set={f"/scratch/{key}": text for key, text in changed.items()}
        )


class Trivial(Program):
    """W2: twenty steps, each of which gives a number."""

    name = "bench-trivial"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        number = state.get("number", 0) + 1
        if number in (1, N_STEPS):
            mark("step", state["workflow"], number)
        if number == N_STEPS:
            return Finish(set={"number": number})
        return Goto("step", set={"number": number})


@tool("bench.effect", effect="write")
def ask(call: ToolCall, *, workflow: str, number: int) -> int:
    """Ask the ledger outside, which honours idempotency keys."""
    effect(workflow, number, key=call.idempotency_key)
    return number


class Effects(Program):
    """W3: twenty steps, each of which writes to the world."""

    name = "bench-effects"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        number = state.get("number", 0) + 1
        ctx.tool("bench.effect", workflow=state["workflow"], number=number)
        if number == N_STEPS:
            return Finish(set={"number": number})
        return Goto("step", set={"number": number})


class Sleeps(Program):
    """W4: sleeps until an instant, then does its first thing."""

    name = "bench-sleeps"

    @node(start=True)
    def doze(self, ctx: Context, state: Any) -> Command:
        return Sleep("wake", seconds=max(state["until"] - time.time(), 0.0))

    @node
    def wake(self, ctx: Context, state: Any) -> Command:
        mark("step", state["workflow"], 1)
        return Finish()


class Waits(Program):
    """Events: waits for the event of its own name, once."""

    name = "bench-waits"

    @node(start=True)
    def wait(self, ctx: Context, state: Any) -> Command:
        ctx.wait_for(event("bench.paid", key=state["workflow"]), timeout_seconds=86_400)
        mark("step", state["workflow"], 1)
        return Finish()


class Fills(Program):
    """Fairness: takes its whole slice each time, and never ends."""

    name = "bench-fills"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        number = state.get("number", 0) + 1
        if number == 1:
            mark("step", state["workflow"], number)
        time.sleep(EFFECT_SECONDS)
        return Goto("step", set={"number": number})


class Other(Program):
    """Fairness: the one run that somebody else starts."""

    name = "bench-other"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        mark("step", state["workflow"], 1)
        return Finish()
