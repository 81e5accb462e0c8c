"""The writes that a run made behind a place, and what becomes of each when the run goes on from there again."""

from dataclasses import dataclass
from typing import Any, Literal

from runs.checkpoints.blobs import load
from runs.engine.errors import ProgramError
from runs.engine.reuse import SUCCEEDED, Mode
from runs.models import Intent, Outcome, Run, Step
from runs.programs import programs
from runs.selectors.points import Point, actions_behind
from runs.tools.registry import get_tool

SHOWN = 200
Fate = Literal["again", "same_key", "served", "asked", "simulated"]
WRITES = ("write", "destructive")


@dataclass(frozen=True, slots=True)
class EffectBehind:
    """One write behind a place.

    `fate`: `again` (made once more), `same_key` (made once more, under the key it had), `served` (its recorded outcome is
    used), `asked` (a person must allow it), `simulated`. It holds as long as the new path asks for the same.
    """

    seq: int
    tool: str
    args: Any
    key: str
    status: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Behind:
    """What was done behind a place: how many actions, how many of them writes, and the first SHOWN of these.

    `cost_microusd`, `tokens` and `seconds` are what all these actions took together.
    """

    n_actions: int
    n_effects: int
    effects: list[EffectBehind]
    cost_microusd: int
    tokens: int
    seconds: float


def effects_behind(run: Run, point: Point, mode: Mode, *, edited: frozenset[int] = frozenset()) -> Behind:
    """Return the writes behind the point, first to last, and their fate in this mode; `edited` outputs are served."""
    programs()
    actions = actions_behind(run, point)
    writes = [step for step in actions if step.effect in WRITES]
    seqs = [step.seq for step in writes[:SHOWN]]
    requests = {row.seq: row for row in Outcome.objects.filter(run_id=run.pk, seq__in=seqs)}
    keys = dict(Intent.objects.filter(run_id=run.pk, seq__in=seqs).values_list("seq", "idempotency_key"))
    effects = [
        EffectBehind(
            step.seq, step.name, _args(requests.get(step.seq)), keys.get(step.seq, ""), step.status,
            "served" if step.seq in edited else _fate(step, mode),
        )
        for step in writes[:SHOWN]
    ]  # fmt: skip
    cost = sum(step.cost_microusd for step in actions)
    tokens = sum(step.tokens_in + step.tokens_out for step in actions)
    seconds = sum((step.ended_at - step.started_at).total_seconds() for step in actions if step.ended_at)
    return Behind(len(actions), len(writes), effects, cost, tokens, seconds)


def _args(row: Outcome | None) -> Any:
    request = load(row.request_codec, row.request) if row is not None else {}
    return request.get("args", request) if isinstance(request, dict) else request


def _fate(step: Step, mode: Mode) -> Fate:
    is_recorded = step.status == SUCCEEDED and step.reuse not in ("simulated", "edited")
    if mode is Mode.DRY:
        return "simulated"
    if mode is Mode.LIVE:
        return "same_key" if _has_own_key(step.name) else "again"
    if is_recorded:
        return "served"
    if mode is Mode.RECORDED:
        return "asked"
    if step.reuse:
        return "again"
    return "same_key" if _is_idempotent(step.name) else "asked" if step.status == "unknown" else "again"


def _has_own_key(tool: str) -> bool:
    """Return whether the tool's key is made of what the call is, wherever it is made."""
    try:
        return bool(get_tool(tool).key_template)
    except ProgramError:
        return False


def _is_idempotent(tool: str) -> bool:
    try:
        return get_tool(tool).idempotent
    except ProgramError:
        return False
