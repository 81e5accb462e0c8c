"""The rungs of the healing ladder: how an author writes each, when it is of use, and what it sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentops.common.types import JsonObject, JsonValue
from runs.engine.failures import Failure, World, is_of

ASK_SECONDS = 7 * 86_400.0
TRY_AGAIN, GIVE_UP = "Try again", "Give up"


@dataclass(frozen=True, slots=True)
class Rung:
    """One thing to try, at most `times`; made by `retry`, `longer_timeout`, `other_tool` and so on.

    It begins again at the node that failed, or at `from_node`, the last time the run was there.
    """

    do: str
    params: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    from_node: str = ""

    def as_json(self) -> JsonObject:
        more: JsonObject = {"times": self.times} if self.times > 1 else {}
        if self.from_node:
            more["from_node"] = self.from_node
        return {"do": self.do, **dict(self.params), **more}


@dataclass(frozen=True, slots=True)
class Try:
    """A rung that is of use: what people read of it, what it sets, how long to wait, and where else to go on."""

    text: str
    sets: JsonObject = field(default_factory=dict)
    wait_seconds: float = 0.0
    to_node: str = ""
    is_end: bool = False


def retry(*, times: int = 1, after_seconds: float = 10.0, factor: float = 2.0, from_node: str = "") -> Rung:
    """Try again after a while, each time `factor` times as long; the run sleeps meanwhile."""
    return Rung("retry", {"after_seconds": after_seconds, "factor": factor}, times, from_node)


def longer_timeout(*, factor: float = 2.0, max_seconds: float = 120.0, times: int = 1) -> Rung:
    """Give the call that failed more time."""
    return Rung("longer_timeout", {"factor": factor, "max_seconds": max_seconds}, times)


def other_tool(tool: str) -> Rung:
    """Let another tool answer what the one that failed was asked, with the same arguments. Both must only read or compute."""
    return Rung("other_tool", {"tool": tool})


def other_model(model: str) -> Rung:
    """Ask another model: its name is `ctx.strategy.model`, which whoever asks models reads."""
    return Rung("other_model", {"model": model})


def reduced_tools(*without: str) -> Rung:
    """Take tools away: the named ones, or the one that failed. They stand in `ctx.strategy.without`."""
    return Rung("reduced_tools", {"without": list(without)})


def cached_read(*, max_age_seconds: float = 30 * 86_400.0) -> Rung:
    """Take the answer that the same read gave last time, in this run or another of the team, if it is no older."""
    return Rung("cached_read", {"max_age_seconds": max_age_seconds})


def skip(*, value: JsonValue = None, to: str = "") -> Rung:
    """Go on without, and log it: the read that failed gives `value`; or the run goes on with the node `to`."""
    return Rung("skip", {"to": to} if to else {"value": value})


def ask(*, times: int = 1, timeout_seconds: float = ASK_SECONDS) -> Rung:
    """Ask a person whether to try again or to give up."""
    return Rung("ask", {"timeout_seconds": timeout_seconds}, times)


def dead_letter() -> Rung:
    """Try nothing more: the run fails, and waits among the dead letters."""
    return Rung("dead_letter")


_Check: TypeAlias = Callable[["Rung", Failure, World, int], "Try | str"]


def told_of(rung: Rung) -> str:
    """Return what people call the rung."""
    return _NAMES[rung.do]


def _retry(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    seconds = rung.params["after_seconds"] * rung.params["factor"] ** (n - 1)
    return Try(f"try again after {seconds:g} s" if seconds else "try again", wait_seconds=seconds)


def _longer_timeout(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    if not failure.tool or not is_of(failure.code, "timeout"):
        return "no call took too long"
    longest, before = float(rung.params["max_seconds"]), failure.timeout_seconds
    seconds = min(before * rung.params["factor"], longest)
    if seconds <= before:
        return f"{failure.tool} has {before:g} s already"
    return Try(f"longer time-out, {before:g} s → {seconds:g} s", {"timeouts": {failure.tool: seconds}})


def _other_tool(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    other = str(rung.params["tool"])
    if not failure.tool:
        return "no call failed"
    if failure.is_write:
        return f"{failure.tool} writes, and nobody knows whether it did"
    effect = world.effects.get(other)
    if effect not in ("read", "compute"):
        return f"{other} is not installed" if effect is None else f"{other} writes"
    return Try(f"another tool, {failure.tool} → {other}", {"swaps": {failure.tool: other}})


def _other_model(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    if failure.tool:
        return "no model failed"
    return Try(f"another model, {rung.params['model']}", {"model": rung.params["model"]})


def _reduced_tools(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    without = list(rung.params["without"]) or [failure.tool] * bool(failure.tool)
    if not without:
        return "no call failed"
    return Try(f"without {', '.join(without)}", {"without": without})


def _cached_read(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    age_seconds = world.cached_age_seconds
    if not failure.tool or failure.effect != "read":
        return "no read failed"
    if age_seconds is None:
        return "no answer was kept"
    if age_seconds > rung.params["max_age_seconds"]:
        return f"the answer that was kept is {_age(age_seconds)} old"
    return Try(f"the answer of {_age(age_seconds)} ago")


def _skip(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    if to := rung.params.get("to"):
        return Try(f"skip {failure.node}, go on with {to}", to_node=to)
    if not failure.tool or failure.is_write:
        return "no read failed"
    return Try(f"skip {failure.tool}", {"skipped": dict.fromkeys(failure.requests, rung.params["value"])})


def _ask(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    question = f"{failure.node} failed: {failure.message}"[:500]
    return Try(
        "ask a person", {"question": question, "question_seconds": float(rung.params["timeout_seconds"])}
    )


def _dead_letter(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    return Try("give up", is_end=True)


def _age(seconds: float) -> str:
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s"


CHECKS: dict[str, _Check] = {
    "retry": _retry, "longer_timeout": _longer_timeout, "other_tool": _other_tool, "other_model": _other_model,
    "reduced_tools": _reduced_tools, "cached_read": _cached_read, "skip": _skip, "ask": _ask, "dead_letter": _dead_letter,
}  # fmt: skip
_NAMES = {
    "retry": "try again", "longer_timeout": "longer time-out", "other_tool": "another tool", "other_model": "another model",
    "reduced_tools": "fewer tools", "cached_read": "a kept answer", "skip": "skip", "ask": "ask a person",
    "dead_letter": "give up",
}  # fmt: skip
