"""Programs that go another way when they are forked or rewound."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from runs.engine.commands import Command
from runs.models import Run, Step
from runs.program import (
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
from runs.services.fork_plan import ForkRequest
from runs.services.fork_run import fork_run
from tests.ledger import may_succeed, write_entry

ONCE = RetryPolicy(max_attempts=1)


@tool("test.mail", effect="write", output_schema={"type": "object", "required": ["id"]})
def mail(call: ToolCall, *, to: str) -> dict[str, Any]:
    """Send an e-mail, once per key."""
    return {"id": to, **write_entry(call, f"mail {to}")}


@tool("test.letter", effect="destructive", idempotent=False)
def letter(call: ToolCall, *, to: str, lost: bool = False) -> dict[str, Any]:
    """Send a letter: each call is another one. With `lost`, nobody learns whether it went."""
    written = write_entry(call, f"letter {to}")
    if lost and not may_succeed():
        raise ToolError("no answer", code="timeout", is_outcome_unknown=True)
    return written


@tool("test.shaky", effect="write", retry=ONCE)
def shaky(call: ToolCall, *, to: str) -> dict[str, Any]:
    """Write, and say that it failed until the gate is open."""
    written = write_entry(call, f"shaky {to}")
    if not may_succeed():
        raise ToolError("no answer", code="timeout")
    return written


@tool("test.look", effect="read", retry=ONCE)
def look(call: ToolCall, *, at: Any = None) -> str:
    """Fail until the gate is open."""
    if not may_succeed():
        raise ToolError("closed", code="closed")
    return "open"


class Mailing(Program):
    """Ten nodes that think, one that mails, one that fails until the gate is open, and an end."""

    name = "test-mailing"
    state_schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "to": {"type": "string"}},
        "required": ["to"],
    }

    @node(start=True)
    def think(self, ctx: Context, state: Any) -> Command:
        n = state.get("n", 0) + 1
        return Goto("think" if n < state.get("thoughts", 10) else "send", set={"n": n}, append={"log": n})

    @node
    def send(self, ctx: Context, state: Any) -> Command:
        sent = [ctx.tool("test.mail", to=to) for to in state["to"].split()]
        return Goto("check", set={"sent": sent})

    @node(retry=ONCE)
    def check(self, ctx: Context, state: Any) -> Command:
        return Finish(output={"seen": ctx.tool("test.look"), "sent": state["sent"]})


class Script(Program):
    """Does the calls of the input's `steps`, a node each: a list of [tool, args]; `rest` seconds lie between them."""

    name = "test-script"

    @node(start=True, retry=ONCE)
    def work(self, ctx: Context, state: Any) -> Command:
        i = state.get("i", 0)
        results = [self._done(ctx, call) for call in state["steps"][i]]
        more: Any = {"set": {"i": i + 1}, "append": {"results": results}}
        if i + 1 == len(state["steps"]):
            return Finish(output=[*state.get("results", []), results], **more)
        return Sleep("work", seconds=state["rest"], **more) if "rest" in state else Goto("work", **more)

    def _done(self, ctx: Context, call: Any) -> Any:
        name, args = call
        if name == "now":
            return ctx.now()
        if name == "sleep":
            return ctx.sleep(args["seconds"])
        if name == "fail":
            raise RuntimeError("as the script says")
        return ctx.tool(name, **args)


class Chooser(Program):
    """Looks twenty times, and goes the way that the sum of what it saw says."""

    name = "test-chooser"

    @node(start=True)
    def look(self, ctx: Context, state: Any) -> Command:
        seen = ctx.tool("test.echo", value=state.get("n", 0))
        n = state.get("n", 0) + 1
        return Goto("look" if n < 10 else "choose", set={"n": n}, append={"seen": seen})

    @node
    def choose(self, ctx: Context, state: Any) -> Command:
        return Goto("high" if sum(state["seen"]) > 45 else "low")

    @node
    def high(self, ctx: Context, state: Any) -> Command:
        return Finish(output={"way": "high", "seen": state["seen"]})

    @node
    def low(self, ctx: Context, state: Any) -> Command:
        return Finish(output={"way": "low", "seen": state["seen"]})


class GivesUp(Program):
    """Fails because it wants to."""

    name = "test-gives-up"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        return Goto("end")

    @node
    def end(self, ctx: Context, state: Any) -> Command:
        return Fail("no", code="no")


def actor_of(run: Run) -> Actor:
    return Actor(run.team_id, None, "Ada", frozenset(Scope))


def fork(run: Run, seq: int, mode: str = "live", **more: Any) -> Run:
    """Return a fork of the run, not yet begun."""
    request = ForkRequest(seq=seq, effect_mode=mode, reason="to see", has_input="input" in more, **more)
    return fork_run(actor=actor_of(run), run_id=run.pk, request=request)[0]


def seq_of(run: Run, name: str, n: int = 0) -> int:
    """Return the n-th step of that name."""
    found = Step.objects.filter(run_id=run.pk, name=name).order_by("seq").values_list("seq", flat=True)
    return found[n]


def marks(run: Run) -> list[tuple[str, str]]:
    """Return the name of each action and how it came by its outcome."""
    steps = Step.objects.filter(run_id=run.pk, depth=1, is_superseded=False)
    return list(steps.order_by("seq").values_list("name", "reuse"))
