"""Reading the execution tree: its rows without payloads, and one step with everything that is known of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import outcome_mac, same
from runs.engine.updates import Delta
from runs.models import Attempt, Checkpoint, Intent, LogLine, Outcome, Run, Step
from runs.selectors.paging import Page, decode_cursor, page_of
from runs.selectors.runs import check_here, runs_of

MAX_STEPS = 1000
MAX_LOG_LINES = 1000


@dataclass(frozen=True, slots=True)
class Payload:
    """A stored value and how many bytes its row holds (compressed)."""

    value: Any
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step and what belongs to it; what there is not is None or empty.

    `request` and `output` are of an action, `delta` (the declared operations) of a node; `error` is
    `{"code", "message", …}` of a step that failed for good. `is_verified` is False when the stored outcome fails
    its integrity check, and then it must not be trusted.
    """

    step: Step
    request: Payload | None
    output: Payload | None
    error: dict[str, Any] | None
    is_verified: bool
    delta: Delta | None
    delta_bytes: int
    intent: Intent | None
    attempts: list[Attempt]
    log_lines: list[LogLine]

    @property
    def premises(self) -> list[dict[str, Any]]:
        """What the step goes by: as found when it was not called, else as a person was asked about it, or allowed it."""
        found = self.error.get("premises") if self.error and self.is_verified else None
        asked = self.request.value if self.request else {}
        is_question = self.step.kind == "approval"
        stated = asked.get("args", {}).get("premises") if is_question else asked.get("premises")
        return list(found or stated or ())


def steps_for(
    actor: Actor, run_id: UUID, *, after: int = 0, limit: int = MAX_STEPS, depth: int | None = None
) -> Page[Step]:
    """Return rows of the tree in preorder, which is the order of `seq`.

    Args:
        actor: whose team's run.
        run_id: the run.
        after: the last seq that is already known.
        limit: how many at most; cut to MAX_STEPS.
        depth: no deeper than this: 0 for the nodes alone.

    Raises: NotFoundError
    """
    _require_run(actor, run_id)
    limit = max(1, min(limit, MAX_STEPS))
    found = Step.objects.filter(team_id=actor.team_id, run_id=run_id, seq__gt=after)
    if depth is not None:
        found = found.filter(depth__lte=depth)
    return page_of(list(found.order_by("seq")[: limit + 1]), limit, lambda step: (step.seq,))


def after_of(cursor: str) -> int:
    """Return the `after` that a cursor of steps_for stands for.

    Raises: BadQueryError
    """
    seq: int = decode_cursor(cursor, int)[0]
    return seq


def step_for(actor: Actor, run_id: UUID, seq: int) -> StepDetail:
    """Return one step with payloads, attempts, intent, logs and delta.

    Raises: NotFoundError
    """
    _require_run(actor, run_id)
    place = {"team_id": actor.team_id, "run_id": run_id, "seq": seq}
    step = Step.objects.filter(**place).first()
    if step is None:
        raise NotFoundError(f"run {run_id} has no step {seq}", run_id=str(run_id), seq=seq)
    outcome = Outcome.objects.filter(**place).first()
    change = Checkpoint.objects.filter(**place, kind="d").first()
    intent = Intent.objects.filter(**place).first()
    attempts = list(Attempt.objects.filter(**place).order_by("number"))
    lines = list(LogLine.objects.filter(**place).order_by("n")[:MAX_LOG_LINES])
    return _detail(step, outcome, change, intent, attempts, lines)


def details_for(actor: Actor, run_id: UUID, *, after: int, limit: int) -> list[StepDetail]:
    """Return the steps behind `after` as step_for gives them, at most `limit` of them; in six queries.

    Raises: NotFoundError
    """
    steps = steps_for(actor, run_id, after=after, limit=limit).items
    place = {
        "team_id": actor.team_id,
        "run_id": run_id,
        "seq__gt": after,
        "seq__lte": steps[-1].seq if steps else after,
    }
    outcomes = {row.seq: row for row in Outcome.objects.filter(**place)}
    changes = {row.seq: row for row in Checkpoint.objects.filter(**place, kind="d")}
    intents = {row.seq: row for row in Intent.objects.filter(**place)}
    attempts: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(**place).order_by("seq", "number"):
        attempts.setdefault(attempt.seq, []).append(attempt)
    lines: dict[int, list[LogLine]] = {}
    for line in LogLine.objects.filter(**place).order_by("seq", "n"):
        lines.setdefault(line.seq, []).append(line)
    return [
        _detail(
            step,
            outcomes.get(seq),
            changes.get(seq),
            intents.get(seq),
            attempts.get(seq, []),
            lines.get(seq, []),
        )
        for step in steps
        for seq in [step.seq]
    ]


def _detail(
    step: Step, outcome: Outcome | None, change: Checkpoint | None, intent: Intent | None, attempts: list[Attempt],
    lines: list[LogLine],
) -> StepDetail:  # fmt: skip
    return StepDetail(
        step=step,
        request=Payload(load(outcome.request_codec, outcome.request), len(outcome.request))
        if outcome
        else None,
        output=None if step.status == "failed" else _body(outcome),
        error=_error(step, outcome, attempts) if step.status == "failed" else None,
        is_verified=outcome is None or _is_verified(outcome, step.status),
        delta=load(change.codec, change.body) if change else None,
        delta_bytes=len(change.body) if change else 0,
        intent=intent,
        attempts=attempts,
        log_lines=lines[:MAX_LOG_LINES],
    )


def _require_run(actor: Actor, run_id: UUID) -> None:
    run = runs_of(actor).filter(id=run_id).only("id", "archived_at").first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
    check_here(run)


def _body(outcome: Outcome | None) -> Payload | None:
    if outcome is None or outcome.body is None:
        return None
    return Payload(load(outcome.body_codec, outcome.body), len(outcome.body))


def _error(step: Step, outcome: Outcome | None, attempts: list[Attempt]) -> dict[str, Any] | None:
    """Return why a step failed: of an action its outcome says so, of the node that ended the run the run does.

    Of a node that was left, its last attempt does.
    """
    body = _body(outcome)
    found = body.value if body else Run.objects.values_list("error", flat=True).get(id=step.run_id)
    is_of_step = body is not None or (found or {}).get("seq") == step.seq
    if is_of_step:
        return found
    last = attempts[-1] if attempts else None
    told = {"message": last.message, "detail": last.detail} if last else {"message": step.error_code}
    return {"code": step.error_code, **told}


def _is_verified(outcome: Outcome, status: str) -> bool:
    if outcome.body is None:
        return True
    computed = outcome_mac(
        outcome.team_id,
        outcome.run_id,
        outcome.seq,
        bytes(outcome.request_hash),
        outcome.body_codec,
        bytes(outcome.body),
        status=status,
        riders=outcome.riders,
    )
    return same(computed, outcome.mac)
