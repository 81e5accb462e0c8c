"""Recovery policies as JSON: read, and refused with the place and the reason where they make no sense."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from runs.engine.commands import MAX_WAIT_SECONDS
from runs.engine.errors import RecoveryError
from runs.engine.recovery import MAX_HEALS, Policy, Rule
from runs.engine.rungs import CHECKS, Rung

MAX_RULES, MAX_RUNGS, MAX_TIMES, MOST_HEALS = 50, 20, 20, 1000
MAX_TIMEOUT_SECONDS = 3600.0
_ERROR = re.compile(r"[A-Za-z0-9_.*?-]{1,100}")


def policy_from(given: Any, nodes: Collection[str]) -> Policy:
    """Return the policy that the JSON stands for; `{}` is one without rules. `nodes` are those of its program.

    Raises: RecoveryError naming the place.
    """
    members = _members("", given, {"rules", "max_heals"})
    rules = members.get("rules", [])
    if not isinstance(rules, list) or len(rules) > MAX_RULES:
        raise RecoveryError("/rules", f"must be a list of at most {MAX_RULES} rules")
    max_heals = _number("/max_heals", members.get("max_heals", MAX_HEALS), 1, MOST_HEALS, is_whole=True)
    return Policy(tuple(_rule(f"/rules/{n}", rule, nodes) for n, rule in enumerate(rules)), int(max_heals))


def _rule(at: str, given: Any, nodes: Collection[str]) -> Rule:
    members = _members(at, given, {"on", "rungs", "tool", "node"})
    errors, rungs = members.get("on"), members.get("rungs")
    if not isinstance(errors, list) or not errors or not all(map(_is_error, errors)):
        raise RecoveryError(
            f"{at}/on", 'must name errors: classes such as "timeout", codes, or patterns such as "http_*"'
        )
    if not isinstance(rungs, list) or not 1 <= len(rungs) <= MAX_RUNGS:
        raise RecoveryError(f"{at}/rungs", f"must be a list of 1 to {MAX_RUNGS} rungs")
    node = _text(f"{at}/node", members.get("node", ""), is_empty_good=True)
    _check_node(f"{at}/node", node, nodes)
    found = tuple(_rung(f"{at}/rungs/{n}", rung, nodes) for n, rung in enumerate(rungs))
    dead = [n for n, rung in enumerate(found) if rung.do == "dead_letter"]
    if dead and dead[0] != len(found) - 1:
        raise RecoveryError(f"{at}/rungs/{dead[0]}", "dead_letter ends the ladder, so it must stand last")
    return Rule(tuple(errors), found, _text(f"{at}/tool", members.get("tool", ""), is_empty_good=True), node)  # fmt: skip


def _rung(at: str, given: Any, nodes: Collection[str]) -> Rung:
    do = given.get("do") if isinstance(given, dict) else None
    if do not in CHECKS:
        raise RecoveryError(f"{at}/do", f"must be one of {', '.join(CHECKS)}, not {do!r}")
    checks = _PARAMS[do]
    common = {"do", "times"} | ({"from_node"} if do == "retry" else set())
    members = _members(at, given, {*checks, *common})
    times = int(_number(f"{at}/times", members.get("times", 1), 1, MAX_TIMES, is_whole=True))
    from_node = _text(f"{at}/from_node", members.get("from_node", ""), is_empty_good=True)
    for name in ("to", "from_node"):
        _check_node(f"{at}/{name}", members.get(name, ""), nodes)
    if do == "skip" and len({"value", "to"} & set(members)) != 1:
        raise RecoveryError(at, "skip needs either a value for the read, or the node to go on with in `to`")
    params = {name: check(f"{at}/{name}", members[name]) for name, check in checks.items() if name in members}
    if missing := next((name for name in checks if name not in members and do != "skip"), None):
        raise RecoveryError(f"{at}/{missing}", "is missing")
    return Rung(do, params, times, from_node)


def _members(at: str, given: Any, known: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise RecoveryError(at, f"must be an object, not {type(given).__name__}")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise RecoveryError(f"{at}/{unknown[0]}", f"is not known here; there are {', '.join(sorted(known))}")
    return given


def _number(at: str, value: Any, least: float, most: float, *, is_whole: bool = False) -> float:
    kinds = int if is_whole else int | float
    if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value <= most:
        raise RecoveryError(
            at, f"must be {'a whole' if is_whole else 'a'} number from {least:g} to {most:,g}, not {value!r}"
        )
    return value


def _text(at: str, value: Any, *, is_empty_good: bool = False) -> str:
    if not isinstance(value, str) or len(value) > 200 or not (value or is_empty_good):
        raise RecoveryError(at, "must be a name of at most 200 characters")
    return value


def _texts(at: str, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_RUNGS:
        raise RecoveryError(at, f"must be a list of at most {MAX_RUNGS} names")
    return [_text(f"{at}/{n}", one) for n, one in enumerate(value)]


def _check_node(at: str, node: str, nodes: Collection[str]) -> None:
    if node and node not in nodes:
        raise RecoveryError(at, f"names the node {node!r}, but there are only {', '.join(nodes)}")


def _is_error(name: Any) -> bool:
    return isinstance(name, str) and _ERROR.fullmatch(name) is not None


def _between(least: float, most: float) -> Callable[[str, Any], float]:
    return lambda at, value: _number(at, value, least, most)


def _any(_: str, value: Any) -> Any:
    return value


_PARAMS: dict[str, dict[str, Callable[[str, Any], Any]]] = {
    "retry": {"after_seconds": _between(0, 7 * 86_400), "factor": _between(1, 100)},
    "longer_timeout": {"factor": _between(1, 100), "max_seconds": _between(0.001, MAX_TIMEOUT_SECONDS)},
    "other_tool": {"tool": _text},
    "other_model": {"model": _text},
    "reduced_tools": {"without": _texts},
    "cached_read": {"max_age_seconds": _between(0, MAX_WAIT_SECONDS)},
    "skip": {"value": _any, "to": _text},
    "ask": {"timeout_seconds": _between(1, MAX_WAIT_SECONDS)},
    "dead_letter": {},
}
