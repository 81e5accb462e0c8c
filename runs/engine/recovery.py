"""The healing ladder: what is tried, and in which order, when a node has failed for good.

An agent's recovery policy is data: rules, each for some classes of errors, with rungs that are climbed one after the
other. Pure: `decide` says which rung comes next from what was tried before; the shell (runs.services.heal_run) goes back
and records it. Source: DESIGN §8.5; PROTOCOL 14; ADR 0017.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agentops.common.types import JsonObject
from runs.engine.failures import Failure, World, is_of
from runs.engine.rungs import CHECKS, Rung, Try, told_of
from runs.engine.strategy import Strategy, merged

MAX_HEALS = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """The rungs for errors of some classes, or with some codes; of one tool or node, where these are named."""

    on: tuple[str, ...]
    rungs: tuple[Rung, ...]
    tool: str = ""
    node: str = ""

    def fits(self, failure: Failure) -> bool:
        is_place = self.tool in ("", failure.tool) and self.node in ("", failure.node)
        return is_place and is_of(failure.code, *self.on)

    def as_json(self) -> JsonObject:
        where = {"tool": self.tool, "node": self.node}
        named: JsonObject = {key: value for key, value in where.items() if value}
        return {"on": list(self.on), **named, "rungs": [rung.as_json() for rung in self.rungs]}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of an agent, the first that fits holds; after `max_heals` rungs in all a run fails as if it had none."""

    rules: tuple[Rule, ...] = ()
    max_heals: int = MAX_HEALS

    def rule_for(self, failure: Failure) -> int | None:
        return next((n for n, rule in enumerate(self.rules) if rule.fits(failure)), None)

    def as_json(self) -> JsonObject:
        return {"rules": [rule.as_json() for rule in self.rules], "max_heals": self.max_heals}


def on(*errors: str, rungs: Iterable[Rung], tool: str = "", node: str = "") -> Rule:
    """Return a rule: what is tried when one of `errors` (classes, codes, patterns such as `http_5*`) ends a node."""
    return Rule(errors, tuple(rungs), tool, node)


@dataclass(frozen=True, slots=True)
class Taken:
    """A rung that was taken before for the same run, and the requests that had failed.

    `is_here`: from the very checkpoint that the run stands at now.
    """

    rule: int
    rung: int
    node: str
    is_here: bool
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One rung, the `n`-th time. `sets` is what it changes (runs.engine.strategy), `passed` why rungs before it were no use.

    `is_end`: the rung says that nothing more is tried.
    """

    rule: int
    rung: int
    n: int
    of: int
    do: str
    text: str
    wait_seconds: float = 0.0
    from_node: str = ""
    to_node: str = ""
    sets: JsonObject = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    is_end: bool = False


def decide(policy: Policy, failure: Failure, history: Sequence[Taken], world: World) -> Decision | None:
    """Return the next rung, or None when there is none left.

    At one place the rungs of a rule are climbed upwards, each at most its `times`; one that begins at an earlier node, where
    the run comes by a second time, at most its `times` in all, so that it cannot go round for ever. Another call of the
    same node that fails climbs from the bottom: what helped the first may help it, too.
    """
    number = policy.rule_for(failure)
    if number is None or len(history) >= policy.max_heals:
        return None
    rungs, passed = policy.rules[number].rungs, list[str]()
    same = (number, failure.node, failure.requests)
    own = [it for it in history if (it.rule, it.node, it.requests) == same]
    lowest = max((it.rung for it in own if it.is_here), default=0)
    for index, rung in enumerate(rungs[lowest:], lowest):
        n = sum(it.rung == index and (it.is_here or bool(rung.from_node)) for it in own) + 1
        if n > rung.times:
            continue
        found = _tried(rung, failure, world, n)
        if isinstance(found, Try):
            return _decision(number, index, n, rungs, failure, found, passed)
        passed.append(f"{told_of(rung)}: {found}")
    return None


def _tried(rung: Rung, failure: Failure, world: World, n: int) -> Try | str:
    if rung.from_node and rung.from_node not in world.visited:
        return f"the run was never at {rung.from_node}"
    return CHECKS[rung.do](rung, failure, world, n)


def _decision(
    rule: int, index: int, n: int, rungs: Sequence[Rung], failure: Failure, found: Try, passed: list[str]
) -> Decision:
    rung = rungs[index]
    again = f" ({n} of {rung.times})" if rung.times > 1 else ""
    where = f", from {rung.from_node}" if rung.from_node else ""
    because = failure.message if failure.code in failure.message else f"{failure.message} ({failure.code})"
    text = f"rung {index + 1} of {len(rungs)}: {found.text}{again}{where}, because {because}"
    return Decision(
        rule, index, n, len(rungs), rung.do, text[:1000], found.wait_seconds, rung.from_node, found.to_node, found.sets,
        tuple(passed), found.is_end,
    )  # fmt: skip


def in_force(decisions: Iterable[JsonObject]) -> Strategy:
    """Return the strategy that the decisions of one place, in their order, have led to."""
    return merged([_sets(decision) for decision in decisions])


def _sets(decision: JsonObject) -> JsonObject:
    found = decision.get("sets")
    return found if isinstance(found, dict) else {}
