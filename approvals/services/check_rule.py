"""Checks of a rule and its stages, each with a pointer to what does not fit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from approvals.engine.facts import DATA_CLASSES
from approvals.engine.rules import CONDITIONS, OPERATORS
from approvals.engine.stages import MAX_STAGES, QUANTIFIERS, Stage
from approvals.engine.words import VERDICTS
from approvals.models import Queue
from approvals.selectors.people import seats_of
from runs.engine.tools import Effect
from runs.services.checks import check_text, misfit

_LISTS = ("tools", "effects", "agents", "sql_verbs", "taints", "data_classes")
_KNOWN = {"effects": tuple(Effect), "data_classes": DATA_CLASSES}
MAX_ITEMS = 50


def check_rule(*, name: str, verdict: str, when: Mapping[str, Any]) -> None:
    """Raises: InvalidInputError."""
    check_text("/name", name, 100)
    if verdict not in VERDICTS:
        raise misfit("/verdict", f"must be one of {', '.join(VERDICTS)}")
    for condition, wanted in when.items():
        pointer = f"/when/{condition}"
        if condition not in CONDITIONS:
            raise misfit(pointer, f"is no condition; there are {', '.join(CONDITIONS)}")
        if condition in _LISTS:
            _check_list(pointer, wanted, _KNOWN.get(condition, ()))
        elif condition == "args":
            _check_predicates(pointer, wanted)
        elif isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 <= wanted < 1e15:
            raise misfit(pointer, "must be a number from 0")


def checked_stages(team_id: UUID, rows: Any) -> list[Stage]:
    """Return the stages when there are people enough to pass each.

    Raises: InvalidInputError.
    """
    if not isinstance(rows, list) or len(rows) > MAX_STAGES:
        raise misfit("/stages", f"must be a list of at most {MAX_STAGES}")
    stages = [_stage(f"/stages/{n}", row) for n, row in enumerate(rows)]
    needed: set[int] = set()
    for n, stage in enumerate(stages):
        if stage.queue and not Queue.objects.filter(team_id=team_id, slug=stage.queue).exists():
            raise misfit(f"/stages/{n}/queue", f"there is no queue {stage.queue!r}")
        seats = seats_of(team_id, stage)
        n_seats = len(seats - {0})
        n_needed = stage.needed(n_seats)
        if n_seats < n_needed or (stage.quantifier == "all" and not n_seats):
            told = f"can never be met: it needs {n_needed} people, and {n_seats} of its members may review"
            raise misfit(f"/stages/{n}", told)
        needed |= seats
    total = sum(stage.needed(1) if stage.quantifier != "k_of_n" else stage.k for stage in stages)
    if len(needed - {0}) < total:
        raise misfit(
            "/stages",
            f"can never be met: its stages need {total} different people, and there are {len(needed - {0})}",
        )
    return stages


def _stage(pointer: str, row: Any) -> Stage:
    if not isinstance(row, dict):
        raise misfit(pointer, "must be an object")
    try:
        stage = Stage(**row)
    except TypeError:
        raise misfit(pointer, f"takes {', '.join(Stage.__dataclass_fields__)}") from None
    _check_stage(pointer, stage)
    return stage


def _check_stage(pointer: str, stage: Stage) -> None:
    if stage.quantifier not in QUANTIFIERS:
        raise misfit(f"{pointer}/quantifier", f"must be one of {', '.join(QUANTIFIERS)}")
    if isinstance(stage.k, bool) or not isinstance(stage.k, int) or not 1 <= stage.k <= 20:
        raise misfit(f"{pointer}/k", "must be a whole number from 1 to 20")
    for name in ("queue", "name"):
        if not isinstance(getattr(stage, name), str) or len(getattr(stage, name)) > 100:
            raise misfit(f"{pointer}/{name}", "must be text of at most 100 characters")
    for name in ("excludes_initiator", "people_only"):
        if not isinstance(getattr(stage, name), bool):
            raise misfit(f"{pointer}/{name}", "must be true or false")


def _check_list(pointer: str, wanted: Any, known: tuple[str, ...]) -> None:
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_ITEMS:
        raise misfit(pointer, f"must be a list of 1 to {MAX_ITEMS}")
    for n, item in enumerate(wanted):
        if not isinstance(item, str) or not 1 <= len(item) <= 200:
            raise misfit(f"{pointer}/{n}", "must be text of 1 to 200 characters")
        if known and item not in known:
            raise misfit(f"{pointer}/{n}", f"must be one of {', '.join(known)}")


def _check_predicates(pointer: str, wanted: Any) -> None:
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_ITEMS:
        raise misfit(pointer, f"must be a list of 1 to {MAX_ITEMS}")
    for n, one in enumerate(wanted):
        if not isinstance(one, dict) or set(one) - {"pointer", "op", "value"}:
            raise misfit(f"{pointer}/{n}", "must be an object of pointer, op and value")
        if not isinstance(one.get("pointer"), str) or not one["pointer"].startswith("/"):
            raise misfit(f"{pointer}/{n}/pointer", "must be a JSON pointer, such as /amount")
        if one.get("op") not in OPERATORS:
            raise misfit(f"{pointer}/{n}/op", f"must be one of {', '.join(OPERATORS)}")
        if one["op"] == "in" and not isinstance(one.get("value"), list):
            raise misfit(f"{pointer}/{n}/value", "must be a list")
