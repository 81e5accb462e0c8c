"""The inspector: one step with all that is known of it, the most telling first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.checkpoints.align import fingerprint
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Attempt, LogLine, Run, Step
from runs.presenters import json_tree, status, text, times
from runs.presenters.answers import ModelAnswer, model_answer
from runs.presenters.changes import Line, change_lines
from runs.presenters.errors import ErrorWords, error_words
from runs.presenters.heals import Rung
from runs.presenters.json_tree import Token
from runs.presenters.premises import PremiseLine, premise_lines
from runs.presenters.run_list import progress_note
from runs.presenters.status import Chip, Words
from runs.presenters.text_diff import Part, plain, word_lines
from runs.selectors.steps import StepDetail

PREVIEW_BYTES = 2048
TRY_CHARACTERS = 500
_EFFECTS: dict[str, Words] = {
    "read": gettext_lazy("reads; may be repeated"),
    "compute": gettext_lazy("computes; may be repeated"),
    "write": gettext_lazy("writes once, under its key"),
    "destructive": gettext_lazy("destroys; never repeated blindly"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    label: object
    value: str
    is_code: bool = False
    more: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value for looking at: its size, its first tokens, and whether there is more. `of` names its source."""

    of: str
    size: str
    tokens: list[Token]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Try:
    """A failed attempt: what it said, with the words marked that differ from the one before; `is_repeat` when none does."""

    row: Attempt
    parts: Sequence[Part]
    is_repeat: bool


@dataclass(slots=True)
class Inspector:
    """`changes` is None when they are fetched separately, because rebuilding the state before takes a while."""

    seq: int
    name: str
    node: str
    node_seq: int
    kind: str
    icon: str
    chip: Chip
    began_at: datetime | None = None
    seconds: float | None = None
    is_moving: bool = False
    facts: list[Fact] = field(default_factory=list)
    request: Value | None = None
    output: Value | None = None
    error: ErrorWords | None = None
    is_forged: bool = False
    attempts: Sequence[Try] = ()
    logs: Sequence[LogLine] = ()
    actions: Sequence[Step] = ()
    n_actions: int = 0
    changes: list[Line] | None = None
    has_changes: bool = False
    note: str = ""
    state: Value | None = None
    premises: Sequence[PremiseLine] = ()
    answer: ModelAnswer | None = None
    rungs: Sequence[Rung] = ()

    @property
    def is_settled(self) -> bool:
        return not self.is_moving


def step_inspector(
    run: Run, detail: StepDetail, *, node: str, actions: Sequence[Step], n_actions: int, before: Any, is_before_known: bool
) -> Inspector:  # fmt: skip
    """Return the inspector of a step that has a row.

    Args:
        run: bears `now_at`.
        detail: the step.
        node: the name of the node it belongs to.
        actions: the first of the actions inside it.
        n_actions: how many there are.
        before: the state before a node; only where `is_before_known`.
        is_before_known: False leaves the changes to be fetched.
    """
    step = detail.step
    chip = status.SUPERSEDED if step.is_superseded else status.step_chip(step.status)
    is_moving = step.ended_at is None and RunStatus(run.status) not in TERMINAL
    has_changes = detail.delta is not None
    return Inspector(
        seq=step.seq, name=text.line(step.name, 100), node=text.line(node, 80), node_seq=step.parent_seq or step.seq,
        kind=str(status.KINDS.get(step.kind, step.kind)), icon=status.kind_icon(step.kind), chip=chip, began_at=step.started_at,
        seconds=times.seconds_between(step.started_at, step.ended_at or times.now_of(run)),
        is_moving=is_moving, facts=_facts(detail), request=_request(detail), output=_output(detail), error=_error(run, detail),
        is_forged=not detail.is_verified, attempts=tries_of(detail.attempts), logs=detail.log_lines, actions=actions, n_actions=n_actions,
        has_changes=has_changes, changes=change_lines(detail.delta, before) if detail.delta is not None and is_before_known else None,
        note=text.line(step.summary, 300) if step.kind == "node" and step.status != "failed" else "",
        premises=premise_lines(detail.premises), answer=model_answer(detail),
    )  # fmt: skip


def now_inspector(
    run: Run, *, attempts: Sequence[Attempt], actions: Sequence[Step], n_actions: int, state: Any
) -> Inspector:
    """Return the inspector of the node that has no row yet: it runs, or comes next; `state` is what it begins with."""
    facts = [Fact(_("Attempt"), str(run.node_attempt))] if run.node_attempt > 1 else []
    if run.worker_id and run.status == RunStatus.RUNNING:
        facts.append(Fact(_("Worker"), text.short_id(run.worker_id), is_code=True))
    is_moving = run.status == RunStatus.RUNNING
    return Inspector(
        seq=run.node_seq, name=text.line(run.node, 100), node=text.line(run.node, 80), node_seq=run.node_seq, kind=_("node"),
        icon="node", chip=status.run_chip(run), began_at=run.node_at,
        seconds=times.seconds_between(run.node_at, times.now_of(run)) if is_moving else None,
        is_moving=RunStatus(run.status) not in TERMINAL, facts=facts, attempts=tries_of(attempts), actions=actions, n_actions=n_actions,
        note=progress_note(run) if is_moving else "",
        state=value_of(f"state:{run.head_seq}", state) if state is not None else None,
    )  # fmt: skip


def tries_of(attempts: Sequence[Attempt]) -> list[Try]:
    """Return the failed attempts, each compared with the one before it."""
    found: list[Try] = []
    for row in attempts:
        said = row.message[:TRY_CHARACTERS]
        before = found[-1].row if found else None
        told = (row.message, row.error_code)
        is_repeat = before is not None and (before.message, before.error_code) == told
        line = plain("s", said) if before is None else word_lines(before.message[:TRY_CHARACTERS], said)[1]
        found.append(Try(row, () if is_repeat else line.parts, is_repeat))
    return found


def value_of(source: str, value: Any) -> Value:
    """Return the preview of a value; `source` is what its parts are fetched by."""
    n_bytes = len(fingerprint(value))
    tokens = json_tree.preview(value)
    is_cut = n_bytes > PREVIEW_BYTES and any(token.kind in ("lazy", "cut", "more") for token in tokens)
    return Value(source, text.size(n_bytes), tokens, is_cut)


def _facts(detail: StepDetail) -> list[Fact]:
    step, intent = detail.step, detail.intent
    known: list[tuple[object, Fact]] = [
        (step.effect, Fact(_("Effect"), step.effect, more=str(_EFFECTS.get(step.effect, "")))),
        (intent, Fact(_("Key"), text.line(intent.idempotency_key if intent else "", 60), is_code=True)),
        (intent and intent.calls > 1, Fact(_("Calls"), _("%(n)d, all under this key") % {"n": intent.calls if intent else 0})),
        (step.attempts > 1, Fact(_("Attempts"), str(step.attempts))),
        (step.branch > 1, Fact(_("Branch"), str(step.branch))),
        (step.cost_microusd and step.kind != "llm", Fact(_("Cost"), text.money(step.cost_microusd))),
        ((step.tokens_in or step.tokens_out) and step.kind != "llm", Fact(_("Tokens"), f"{text.number(step.tokens_in)} → {text.number(step.tokens_out)}")),
        (step.worker_id, Fact(_("Worker"), text.short_id(step.worker_id), is_code=True)),
    ]  # fmt: skip
    return [fact for holds, fact in known if holds]


def _request(detail: StepDetail) -> Value | None:
    if detail.request is None:
        return None
    asked = detail.request.value
    return value_of(
        f"request:{detail.step.seq}", asked.get("args", asked) if isinstance(asked, dict) else asked
    )


def _output(detail: StepDetail) -> Value | None:
    if detail.output is None or detail.step.status == "failed" or not detail.is_verified:
        return None
    return value_of(f"output:{detail.step.seq}", detail.output.value)


def _went_on(run: Run, detail: StepDetail) -> Words:
    """Return how it went on behind a failure, where it did."""
    if detail.step.kind == "node" and (run.error or {}).get("seq") != detail.step.seq:
        return gettext_lazy("The run went on another way.")
    is_caught = detail.step.kind != "node" and run.status == RunStatus.SUCCEEDED
    return gettext_lazy("The agent went on without this result.") if is_caught else ""


def _error(run: Run, detail: StepDetail) -> ErrorWords | None:
    if detail.step.status != "failed":
        return None
    if detail.error and detail.is_verified:
        return error_words(detail.error, _went_on(run, detail))
    last = detail.attempts[-1] if detail.attempts else None
    told = {"message": last.message, "detail": last.detail} if last else {"message": detail.step.summary}
    return error_words({"code": detail.step.error_code, **told})
