"""Reading the states of a run."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Func, IntegerField

from agentops.accounts.roles import Actor
from agentops.common.errors import BadRequestError, NotFoundError
from runs.checkpoints.blame import Blame, blame
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.lineage import branch_of
from runs.checkpoints.store import Rebuilt, rebuild
from runs.models import Checkpoint, Run, Step
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of
from runs.selectors.runs import check_here, runs_of

MAX_SEQ_DIGITS = 18

_FOR_REBUILD = ("id", "team_id", "branch", "head_seq", "head_hash", "input", "input_codec", "archived_at")


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """What stands in the list of checkpoints: no state, only what it is and how long its stored delta is."""

    seq: int
    parent_seq: int
    branch: int
    kind: str
    hash: bytes
    stored_bytes: int
    node: str
    ended_at: datetime | None


def checkpoints_for(
    actor: Actor, run_id: UUID, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[CheckpointRow]:
    """Return a page of the run's checkpoints in the order of their seq. The input, at seq 0, has no row.

    Raises: NotFoundError, BadQueryError
    """
    _run(actor, run_id)
    limit = max(1, min(limit, MAX_LIMIT))
    after = decode_cursor(cursor, int)[0] if cursor else 0
    size = Func(F("body"), function="octet_length", output_field=IntegerField())
    found = Checkpoint.objects.filter(team_id=actor.team_id, run_id=run_id, seq__gt=after, kind="d")
    rows = list(found.defer("body").annotate(stored_bytes=size).order_by("seq")[: limit + 1])
    steps = Step.objects.filter(run_id=run_id, seq__in=[row.seq for row in rows])
    known = {step.seq: step for step in steps.only("run_id", "seq", "name", "ended_at")}
    return page_of(
        [_row(row, row.stored_bytes, known.get(row.seq)) for row in rows], limit, lambda row: (row.seq,)
    )


def state_at_for(actor: Actor, run_id: UUID, seq: int) -> Rebuilt:
    """Return the state as it was at step `seq`: that of the last checkpoint up to there on its branch, whose seq it bears.

    Raises:
        NotFoundError: the run is not there, or has not come so far.
        IntegrityError: stored bytes are not what was written.
    """
    run = _run(actor, run_id)
    if not 0 <= seq <= max(run.head_seq, _last_seq(run)):
        raise NotFoundError(
            f"run {run_id} has no step {seq}; its last checkpoint is at {run.head_seq}", last_seq=run.head_seq
        )
    branch = branch_of(run, seq)
    return rebuild(run, min(seq, run.head_seq) if branch == run.branch else seq, branch=branch)


def checkpoint_at_for(actor: Actor, run_id: UUID, seq: int) -> Rebuilt:
    """Return the state of the checkpoint at exactly `seq`; seq 0 is the input.

    Raises:
        NotFoundError: there is no checkpoint, with the nearest before it in `data["nearest"]`.
        IntegrityError: stored bytes are not what was written, or are gone.
    """
    built = state_at_for(actor, run_id, seq)
    if built.seq == seq:
        return built
    if Step.objects.filter(run_id=run_id, seq=seq, kind="node", status="succeeded").exists():
        raise IntegrityError(run_id, seq, "the checkpoint")
    raise NotFoundError(
        f"step {seq} of run {run_id} left no checkpoint; the nearest before it is {built.seq}",
        nearest=built.seq,
    )


def blame_for(actor: Actor, run_id: UUID, built: Rebuilt, pointer: str, *, limit: int = 6) -> Blame:
    """Return the last steps that wrote what stands at `pointer` in a state that state_at_for gave.

    Raises:
        NotFoundError: nothing stands there.
        IntegrityError: stored bytes are not what was written.
    """
    try:
        return blame(_run(actor, run_id), built, pointer, limit=limit)
    except KeyError:
        raise NotFoundError(f"nothing stands at {pointer!r} after step {built.seq}", seq=built.seq) from None


def place_of(text: str) -> tuple[UUID | None, int]:
    """Return the run and the seq that `<run id>:<seq>` or `<seq>` names; without a run it is None.

    Raises: BadRequestError
    """
    run_id, _, seq = text.rpartition(":")
    try:
        return (UUID(run_id) if run_id else None), _seq(seq)
    except ValueError:
        raise BadRequestError(f"b must be a seq or <run id>:<seq>, not {text!r}", parameter="b") from None


def _seq(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_SEQ_DIGITS:
        raise ValueError(text)
    return int(text)


def _run(actor: Actor, run_id: UUID) -> Run:
    run = runs_of(actor).filter(id=run_id).only(*_FOR_REBUILD).first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
    check_here(run)
    return run


def _last_seq(run: Run) -> int:
    last = Step.objects.filter(run_id=run.id).order_by("-seq").values_list("seq", flat=True).first()
    return last or 0


def _row(row: Checkpoint, stored_bytes: int, step: Step | None) -> CheckpointRow:
    return CheckpointRow(
        seq=row.seq,
        parent_seq=row.parent_seq,
        branch=row.branch,
        kind="delta",
        hash=bytes(row.hash),
        stored_bytes=stored_bytes,
        node=step.name if step else "",
        ended_at=step.ended_at if step else None,
    )
