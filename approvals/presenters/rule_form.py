"""Rules in words, and the form in which people write them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.engine.facts import DATA_CLASSES
from approvals.engine.rules import OPERATORS
from approvals.models import Rule
from approvals.services.save_rule import RuleSpec
from runs.presenters.status import Chip
from runs.services.checks import misfit

VERDICTS = {
    "allow": Chip(_("Allow"), "good", "check"),
    "ask": Chip(_("Ask"), "need", "person"),
    "deny": Chip(_("Deny"), "bad", "cross"),
}
_LISTS = ("tools", "agents", "sql_verbs", "taints")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule in the table."""

    rule: Rule
    chip: Chip
    when: str
    who: str


def rule_line(rule: Rule) -> RuleLine:
    return RuleLine(
        rule,
        VERDICTS[rule.verdict],
        when_words(rule.when),
        stages_words(rule.stages) if rule.verdict == "ask" else "",
    )


def when_words(when: Mapping[str, Any]) -> str:
    """Return the conditions in one line; all of them must hold."""
    told = {
        "tools": _("tool %s"), "effects": _("it is %s"), "agents": _("agent %s"), "sql_verbs": _("SQL %s"), "taints": _("tainted by %s"),
        "data_classes": _("holds %s data"),
    }  # fmt: skip
    parts = [told[name] % _(" or ").join(when[name]) for name in told if name in when]
    parts += [
        f"{one['pointer']} {one['op']} {json.dumps(one.get('value', True), ensure_ascii=False)}"
        for one in when.get("args", [])
    ]
    if "cost_above_microusd" in when:
        parts.append(_("the run cost more than $%.2f") % (when["cost_above_microusd"] / 1_000_000))
    if "confidence_below" in when:
        parts.append(_("confidence below %s") % when["confidence_below"])
    return _(" and ").join(parts) or _("always")


def stages_words(stages: list[dict[str, Any]]) -> str:
    """Return who must approve, stage after stage."""
    return _(", then ").join(_stage_words(stage) for stage in stages) or _("one reviewer of the team")


def _stage_words(stage: Mapping[str, Any]) -> str:
    who = _("of the queue %s") % stage["queue"] if stage["queue"] else _("of the team")
    if stage["quantifier"] == "all":
        return _("all %s") % who
    n = stage["k"] if stage["quantifier"] == "k_of_n" else 1
    return ngettext("%(n)d person %(who)s", "%(n)d people %(who)s", n) % {"n": n, "who": who}


def typed_of(rule: Rule | None) -> dict[str, Any]:
    """Return what stands in the form for a rule; for a new one where there is none."""
    if rule is None:
        return {"verdict": "ask", "k": "1", "excludes_initiator": "1", "people_only": "1", "is_on": "1"}
    when, stage = rule.when, (rule.stages or [{}])[0]
    lines = [
        f"{one['pointer']} {one['op']} {json.dumps(one.get('value', True), ensure_ascii=False)}"
        for one in when.get("args", [])
    ]
    return {
        "name": rule.name, "verdict": rule.verdict, "version": str(rule.version), "is_on": "1" if rule.is_on else "",
        **{name: ", ".join(when.get(name, [])) for name in _LISTS}, "effects": when.get("effects", []),
        "data_classes": when.get("data_classes", []), "args": "\n".join(lines),
        "cost_above": str(when["cost_above_microusd"] / 1_000_000) if "cost_above_microusd" in when else "",
        "confidence_below": str(when.get("confidence_below", "")), "queue": stage.get("queue", ""),
        "k": "all" if stage.get("quantifier") == "all" else str(stage.get("k", 1)),
        "excludes_initiator": "1" if stage.get("excludes_initiator", True) else "",
        "people_only": "1" if stage.get("people_only", True) else "",
        "stages": json.dumps(rule.stages[1:], indent=2) if len(rule.stages) > 1 else "",
    }  # fmt: skip


def spec_of_posted(posted: Mapping[str, Any]) -> RuleSpec:
    """Return the rule that somebody wrote. Raises: InvalidInputError with pointers."""
    when: dict[str, Any] = {name: _split(posted.get(name, "")) for name in _LISTS}
    when |= {"effects": posted.get("effects") or [], "data_classes": posted.get("data_classes") or []}
    when["args"] = [
        _predicate(line, n) for n, line in enumerate(posted.get("args", "").splitlines()) if line.strip()
    ]
    for name, field, factor in (
        ("cost_above_microusd", "cost_above", 1_000_000),
        ("confidence_below", "confidence_below", 1),
    ):
        if posted.get(field, "").strip():
            when[name] = _number(posted[field], f"/when/{name}") * factor
    verdict = posted.get("verdict", "")
    return RuleSpec(
        posted.get("name", "").strip(), verdict, {name: value for name, value in when.items() if value or value == 0},
        _stages(posted) if verdict == "ask" else [], is_on=bool(posted.get("is_on")),
    )  # fmt: skip


def choices() -> dict[str, Any]:
    return {
        "verdicts": list(VERDICTS),
        "effects": ["read", "compute", "write", "destructive"],
        "data_classes": DATA_CLASSES,
    }


def _stages(posted: Mapping[str, Any]) -> list[Any]:
    k = posted.get("k", "1")
    quantifier = "all" if k == "all" else "any" if k == "1" else "k_of_n"
    first = {
        "quantifier": quantifier, "k": int(k) if k.isdecimal() and len(k) < 3 else 1, "queue": posted.get("queue", ""),
        "excludes_initiator": bool(posted.get("excludes_initiator")), "people_only": bool(posted.get("people_only")),
    }  # fmt: skip
    more = posted.get("stages", "").strip()
    try:
        return [first, *json.loads(more)] if more else [first]
    except (ValueError, TypeError, RecursionError):
        raise misfit("/stages", _("must be a JSON list of stages")) from None


def _predicate(line: str, n: int) -> dict[str, Any]:
    parts = line.split(maxsplit=2)
    if len(parts) < 2 or parts[1] not in OPERATORS:
        raise misfit(
            f"/when/args/{n}",
            _("write it as /pointer operator value, such as /amount > 1000; operators are %s")
            % " ".join(OPERATORS),
        )
    text = parts[2] if len(parts) > 2 else "true"
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return {"pointer": parts[0], "op": parts[1], "value": value}


def _split(typed: str) -> list[str]:
    return [part.strip() for part in typed.split(",") if part.strip()]


def _number(typed: str, pointer: str) -> float:
    try:
        return float(typed.replace(",", "."))
    except ValueError:
        raise misfit(pointer, _("must be a number")) from None
