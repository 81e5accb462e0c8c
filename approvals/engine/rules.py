"""Rules as data: what becomes of an action (pure).

All rules that fit are heard, in no order: one that denies wins over all, then those that ask, then those that allow. So a
rule more can make the outcome of a deny or an ask only stricter, and none can be dodged by standing earlier. Source: ADR 0018.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from approvals.engine.facts import Facts
from approvals.engine.stages import ANYBODY, OPEN, Stage, weight

RANKS = {"allow": 0, "ask": 1, "deny": 2}
OPERATORS = ("==", "!=", ">", ">=", "<", "<=", "in", "contains", "like", "exists")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `when` has any of the members of CONDITIONS; those that it has must all hold. An empty one fits everything."""

    name: str
    verdict: str
    when: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    id: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of an action, by which rule (None: by the agent's mode), and who must decide when it is asked about."""

    verdict: str
    rule: Rule | None = None
    stages: tuple[Stage, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def strictness(self) -> tuple[int, int]:
        return RANKS[self.verdict], weight(self.stages)

    @property
    def why(self) -> str:
        if self.rule is not None:
            return f"the rule “{self.rule.name}” {_DOES[self.verdict]} it"
        return "no rule names this write, and the agent's mode is gate" if self.verdict == "ask" else ""


_DOES = {"allow": "allows", "ask": "asks about", "deny": "denies"}


def judge(rules: Iterable[Rule], facts: Facts, mode: str) -> Ruling:
    """Return what the rules say; a write that none of them names asks when `mode` is gate."""
    fitting = [rule for rule in rules if fits(rule, facts)]
    if not fitting:
        is_asked = mode == "gate" and facts.is_write
        return Ruling("ask", None, (OPEN,)) if is_asked else Ruling("allow")
    rulings = [Ruling(rule.verdict, rule, _stages(rule)) for rule in fitting]
    chosen = max(rulings, key=lambda ruling: (ruling.strictness, ruling.rule.name if ruling.rule else ""))
    others = tuple(sorted(rule.name for rule in fitting if rule is not chosen.rule))
    return Ruling(chosen.verdict, chosen.rule, chosen.stages, others)


def is_stricter(now: Ruling, then: Ruling) -> bool:
    """Return whether the ruling of now asks for more than the one that a decision was made under."""
    return now.strictness > then.strictness


def fits(rule: Rule, facts: Facts) -> bool:
    return all(_CONDITIONS[name](wanted, facts, rule.verdict) for name, wanted in rule.when.items())


def _stages(rule: Rule) -> tuple[Stage, ...]:
    return (rule.stages or (ANYBODY,)) if rule.verdict == "ask" else ()


def _any_like(patterns: Any, text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _args_hold(wanted: Any, facts: Facts, verdict: str) -> bool:
    return all(_holds(one, facts.args, verdict) for one in wanted)


def _holds(one: Mapping[str, Any], args: JsonObject, verdict: str) -> bool:
    """Return whether a predicate holds. What cannot be compared counts against the action: it never lets one through."""
    found = _at(args, str(one["pointer"]))
    if one["op"] == "exists":
        return (found is not _MISSING) == bool(one.get("value", True))
    if found is _MISSING:
        return verdict != "allow"
    try:
        return bool(_OPERATIONS[one["op"]](found, one.get("value")))
    except TypeError:
        return verdict != "allow"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) is not isinstance(b, bool):
        raise TypeError
    return bool(a == b)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return str(value).lower() in found.lower()
    if not isinstance(found, list | dict):
        raise TypeError
    return value in found


def _like(found: Any, value: Any) -> bool:
    if not isinstance(found, str):
        raise TypeError
    return fnmatchcase(found.lower(), str(value).lower())


_OPERATIONS: dict[str, Any] = {
    "==": _same,
    "!=": lambda a, b: not _same(a, b),
    ">": lambda a, b: _number(a) > _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
    "<": lambda a, b: _number(a) < _number(b),
    "<=": lambda a, b: _number(a) <= _number(b),
    "in": lambda a, b: any(_same(a, item) for item in b),
    "contains": _contains,
    "like": _like,
}


def _at(value: JsonValue, pointer: str) -> Any:
    found: Any = value
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and len(key) < 10 and int(key) < len(found):
            found = found[int(key)]
        else:
            return _MISSING
    return found


def _is_unsure(below: float, facts: Facts, verdict: str) -> bool:
    """Return whether the agent says that it is less sure than that, or does not say (which never lets an action through)."""
    found = facts.args.get("confidence")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return verdict != "allow"
    return found < below


_CONDITIONS: dict[str, Any] = {
    "tools": lambda wanted, facts, _: _any_like(wanted, facts.tool),
    "effects": lambda wanted, facts, _: facts.effect in wanted,
    "agents": lambda wanted, facts, _: _any_like(wanted, facts.agent),
    "sql_verbs": lambda wanted, facts, _: not facts.sql_verbs.isdisjoint(verb.upper() for verb in wanted),
    "args": _args_hold,
    "cost_above_microusd": lambda wanted, facts, _: facts.cost_microusd > wanted,
    "confidence_below": _is_unsure,
    "taints": lambda wanted, facts, _: not facts.taints.isdisjoint(wanted),
    "data_classes": lambda wanted, facts, _: not facts.data_classes.isdisjoint(wanted),
}
CONDITIONS = tuple(_CONDITIONS)
