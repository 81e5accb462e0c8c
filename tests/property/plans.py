"""Random programs as data, and what must come of each one, whatever happens to its workers on the way."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NODE_ATTEMPTS = 3
WRITES = ("write", "keyed", "once")
# What the world does to the first calls of an action; afterwards it lets them pass. "denied" never ends.
PASSING = {
    "read": ("flaky", "busy"),
    "write": ("flaky", "busy", "crash"),
    "keyed": ("flaky", "crash"),
    "once": ("flaky", "lost", "timeout", "crash"),
}

Op = dict[str, Any]
Plan = list[dict[str, Any]]


def a_plan(chance: random.Random) -> Plan:
    """Return one to four node steps, each with its operations, its failures, and how it ends."""
    n = chance.choice((1, 2, 2, 3, 3, 4))
    return [_node(chance, is_last=i == n - 1) for i in range(n)]


def entry_at(index: int, place: int, part: int | None = None) -> str:
    """Return the name of what one operation leaves in the world."""
    return f"{index}.{place}" if part is None else f"{index}.{place}.{part}"


def _node(chance: random.Random, *, is_last: bool) -> dict[str, Any]:
    raises = chance.choices((0, 1, 2, NODE_ATTEMPTS), weights=(66, 16, 12, 6))[0]
    ops: list[Op] = []
    for _ in range(chance.randrange(6)):
        has_failed = raises > 0 and any(is_failing(op) for op in ops)
        ops.append(_op(chance, may_fail=not raises, may_write=not has_failed, may_recover=raises > 0))
    ends = ("finish",) * 6 + ("fail",) if is_last else ("goto", "goto", "sleep")
    return {
        "ops": ops, "raises": raises, "raise_at": chance.randrange(len(ops) + 1), "end": chance.choice(ends),
    }  # fmt: skip


def is_failing(op: Op) -> bool:
    """Return whether the operation ends in a failure at the first attempt of its node."""
    return "denied" in op.get("faults", ()) or op.get("denied_until", 0) > 0


def _op(chance: random.Random, *, may_fail: bool, may_write: bool, may_recover: bool) -> Op:
    kinds = ["read", "now", "random", "sleep", "log"] + [
        "write",
        "write",
        "keyed",
        "once",
        "once",
        "gather",
    ] * may_write
    kind = chance.choice(kinds)
    if kind in ("now", "random", "log"):
        return {"kind": kind}
    if kind == "sleep":
        return {"kind": "sleep", "seconds": chance.choice((0, 0.001, 3600))}
    if kind == "gather":
        calls = [
            _call(chance, chance.choice(("read", *WRITES)), may_fail) for _ in range(chance.randint(1, 4))
        ]
        return {
            "kind": "gather",
            "calls": calls,
            "parallel": chance.choice((1, 3)),
            "catch": chance.random() < 0.8,
        }
    if kind == "read" and may_recover and chance.random() < 0.7:
        return {"kind": "read", "faults": [], "denied_until": chance.choice((1, 2)), "catch": True}
    return _call(chance, kind, may_fail) | {"catch": chance.random() < 0.8}


def _call(chance: random.Random, kind: str, may_fail: bool) -> Op:
    if may_fail and chance.random() < 0.06:
        return {"kind": kind, "faults": ["denied"]}
    n = chance.choices((0, 1, 2), weights=(70, 22, 8))[0]
    return {"kind": kind, "faults": [chance.choice(PASSING[kind]) for _ in range(n)]}


@dataclass
class Prediction:
    """How the run ends, what its nodes leave in the state, and which entries the world holds, once each."""

    status: str = ""
    code: str = ""
    results: list[list[Any]] = field(default_factory=list)
    ledger: set[str] = field(default_factory=set)
    n_attempts: int = 0


class RunFails(Exception):  # noqa: N818 -- not an error: the way the run is meant to end
    """The run ends here with this error code."""


def predict(plan: Plan, taken: list[list[Any]], not_run: set[str]) -> Prediction:
    """Return what must come of the plan.

    `taken` are the results that the run recorded: only the values of ctx.now and ctx.random are read from it.
    `not_run` are the entries of which a person said that they did not happen.
    """
    made = Prediction(status="succeeded")
    try:
        for index, node in enumerate(plan):
            riders = taken[index] if index < len(taken) else []
            made.results.append(_results(made, node, index, riders, not_run))
            if node["end"] == "fail":
                made.results.pop()
                raise RunFails("gave_up")  # noqa: TRY301 -- the same way out as from within the node
    except RunFails as ending:
        made.status, made.code = "failed", str(ending)
    return made


def _results(
    made: Prediction, node: dict[str, Any], index: int, riders: list[Any], not_run: set[str]
) -> list[Any]:
    for attempt in range(1, NODE_ATTEMPTS + 1):
        results: list[Any] = []
        for place, op in enumerate(node["ops"]):
            if attempt <= node["raises"] and place == node["raise_at"]:
                break
            rider = riders[place] if place < len(riders) else None
            results.append(_result(made, op, attempt, entry_at(index, place), rider, results, not_run))
        else:
            if attempt > node["raises"] or node["raise_at"] < len(node["ops"]):
                return results
        made.n_attempts += 1
    raise RunFails("RuntimeError")


def _result(
    made: Prediction, op: Op, attempt: int, entry: str, rider: Any, before: list[Any], not_run: set[str]
) -> Any:
    match op["kind"]:
        case "now" | "random":
            return rider
        case "log":
            return "noted"
        case "sleep":
            return "slept"
        case "gather":
            return list(_gathered(made, op, entry, tag_of(before), not_run))
        case _:
            result = _called(made, op, entry, tag_of(before), not_run, attempt)
            if result == "failed" and not op["catch"]:
                raise RunFails("")
            return result


def _gathered(made: Prediction, op: Op, entry: str, tag: str, not_run: set[str]) -> Iterator[Any]:
    results = [
        _called(made, call, f"{entry}.{part}", tag, not_run, 1) for part, call in enumerate(op["calls"])
    ]
    if "failed" in results and not op["catch"]:
        raise RunFails("")
    yield from results


def _called(made: Prediction, op: Op, entry: str, tag: str, not_run: set[str], attempt: int) -> Any:
    if "denied" in op["faults"] or entry in not_run or attempt <= op.get("denied_until", 0):
        return "failed"
    if op["kind"] in WRITES:
        made.ledger.add(entry)
    return {"entry": entry, "tag": tag}


def tag_of(before: list[Any]) -> str:
    """Return the last value of ctx.now or ctx.random among the results so far, which a call takes along."""
    taken = [
        value for value in before if isinstance(value, float) or (isinstance(value, str) and "T" in value)
    ]
    return str(taken[-1]) if taken else ""
