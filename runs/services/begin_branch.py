"""Let a run go on from an earlier place, as a new branch that knows what the world has seen since.

The new branch inherits every write that may have happened and that its state knows nothing of (PROTOCOL 14; ADR 0014).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from django.db.models import DateTimeField, ExpressionWrapper, F, Max, Q
from django.db.models.functions import Coalesce, Now

from agentops.common.transactions import after_commit, transaction_required
from agentops.common.types import JsonObject
from runs.checkpoints.codec import Encoded
from runs.checkpoints.reuses import mac_of, seal_of
from runs.checkpoints.store import rebuild
from runs.engine.premises import FAILED, UNAVAILABLE
from runs.engine.reuse import SUCCEEDED, Mode
from runs.engine.states import Move, target
from runs.journal.fence import execute
from runs.journal.statements import CLOSE_OPEN_STEPS
from runs.models import Branch, Checkpoint, Intent, Outcome, Reuse, Run, Step, Wait
from runs.selectors.effects import WRITES
from runs.selectors.points import Point, actions_behind, actions_kept
from runs.services.copying import Place, insert_reuses, keep_in_journal, outcomes_of, reuse_row, status_of
from runs.services.end_children import end_abandoned

Cause = Literal["rewind", "heal"]
NEVER_CALLED = ("invalid_arguments", FAILED, UNAVAILABLE)
_MADE = Q(kind="tool", effect__in=WRITES) | Q(kind="child_run", status=SUCCEEDED)
_OVER = "UPDATE runs_fanout SET done_at = clock_timestamp(), is_told = true WHERE run_id = %(run_id)s AND done_at IS NULL"
_CLOSE = (
    f"WITH r AS (SELECT %(run_id)s::uuid AS id, true AS is_ended), s AS ({CLOSE_OPEN_STEPS}) SELECT id FROM r"  # noqa: S608 -- constants
)


@dataclass(slots=True)
class _Known:
    """What the state at the point knows of: the keys of writes on the way there, and the outcomes served there."""

    keys: set[str] = field(default_factory=set)
    sources: set[tuple[UUID, int]] = field(default_factory=set)


@transaction_required
def begin_branch(
    run: Run,
    point: Point,
    *,
    cause: Cause,
    by: str,
    reason: str,
    changes: JsonObject | None = None,
    wait_seconds: float = 0.0,
) -> Branch:
    """Return the new branch; the run is queued at its first node, under a higher epoch, or sleeps before it.

    What was open on the branch that is left is closed, and what it waited for is let go; signals that it had used
    behind the point are free again. The caller holds the lock of the run row and has seen that nobody executes it.

    Raises: IntegrityError when what the branch would build on is not what was written.
    """
    _let_go(run, point)
    mode = mode_after(run)
    built = rebuild(run, point.checkpoint_seq, branch=point.lineage.branch)
    branch = Branch(
        run=run, number=_last_number(run) + 1, team_id=run.team_id, parent_number=_branch_at(run, point), cause=cause,
        effect_mode=mode.value, from_seq=point.seq, checkpoint_seq=point.checkpoint_seq, from_hash=built.hash, node=point.node,
        first_seq=_last_seq(run) + 1, left_head_seq=run.head_seq, left_head_hash=run.head_hash, left_node=run.node,
        left_node_seq=run.node_seq, reason=reason, by=by, changes=changes,
    )  # fmt: skip
    place = Place(run.team_id, run.pk, branch.number)
    kept = actions_kept(run, point)
    keep_in_journal(place, kept, {}, node_seq=branch.first_seq)
    branch.reuse_hash = seal_of(branch, insert_reuses(_numbered(_inherited(run, point, place, kept, branch))))
    branch.save(force_insert=True)
    _move(run, branch, len(kept))
    if cause == "rewind":
        _begin_anew(run)
    if wait_seconds:
        _let_sleep(run, branch, wait_seconds)
    return branch


def mode_after(run: Run) -> Mode:
    """Return how a new branch of the run treats what was done before: a careful run stays as careful."""
    return Mode(run.effect_mode) if run.effect_mode in (Mode.RECORDED, Mode.DRY) else Mode.INHERIT


def _move(run: Run, branch: Branch, n_kept: int) -> None:
    Run.objects.filter(pk=run.pk).update(
        status=target(Move.REWIND).value, branch=branch.number, epoch=F("epoch") + 1, effect_mode=branch.effect_mode,
        head_seq=branch.checkpoint_seq, head_hash=branch.from_hash, node=branch.node, node_seq=branch.first_seq,
        node_attempt=1, attempts_before=0, node_at=None, worker_id=None, paused_from="", health=[], wake_at=None, waiting_on=None,
        queued_at=Now(), ended_at=None, ended_by="", end_reason="", error=None, output=None, output_codec=0, end_mac=None,
        lost_seq=None, lost_together=0, lost_alone=0, is_isolated=False, n_steps=F("n_steps") + n_kept,
    )  # fmt: skip


def _begin_anew(run: Run) -> None:
    """Forget what was asked of the run and how far it was, and let it run though its deadline is over: a person said so."""
    Run.objects.filter(pk=run.pk).update(
        control="", progress_done=None, progress_total=None, progress_note=""
    )
    Run.objects.filter(pk=run.pk, deadline_at__lte=Now()).update(deadline_at=None)


def _let_sleep(run: Run, branch: Branch, seconds: float) -> None:
    due = ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
    waiting_on = {"kind": "heal", "seq": branch.first_seq, "text": branch.reason}
    Run.objects.filter(pk=run.pk).update(
        status=target(Move.SLEEP).value, wake_at=due, waiting_on=waiting_on, health=["retrying"]
    )


def _let_go(run: Run, point: Point) -> None:
    """Close every open step of the run, end its waits, and free the signals that were used behind the point.

    Children that it waited for are ended by their own rules; those that go on by themselves are left alone.
    """
    started = Step.objects.filter(run_id=run.pk, kind="child_run", status="running")
    abandoned = list(started.values_list("seq", flat=True))
    if abandoned:
        execute(_OVER, {"run_id": run.pk})
        after_commit(lambda: end_abandoned(run.pk, abandoned))
    execute(_CLOSE, {"run_id": run.pk})
    Wait.objects.filter(run_id=run.pk, settled_at=None).update(
        settled_at=Now(), closed_at=Coalesce("closed_at", Now()), closed_as="dropped"
    )
    behind = [step.seq for step in actions_behind(run, point, kinds=("wait", "approval"))]
    Wait.objects.filter(run_id=run.pk, seq__in=behind, closed_as="signal").update(closed_as="dropped")


def _inherited(run: Run, point: Point, place: Place, kept: list[Step], branch: Branch) -> Iterator[Reuse]:
    """Yield what the branch may be served: copies it begins with, what a fork was given, what the run has written."""
    known = _known(run, point)
    yield from _of_kept(run, place, kept, branch.first_seq)
    known.keys |= {key for key in _keys(run, kept).values() if key}
    known.sources |= {(run.pk, step.seq) for step in kept}
    yield from _given(run, place, known)
    yield from _written(run, point, place, known)


def _known(run: Run, point: Point) -> _Known:
    steps = Step.objects.filter(point.lineage.where("parent_seq"), run_id=run.pk, depth=1)
    told = steps.filter(_MADE | ~Q(reuse=""))
    before = [step for step in told if point.is_before(step)]
    taken = Reuse.objects.filter(run_id=run.pk, taken_seq__in=[step.seq for step in before if step.reuse])
    known = _Known({key for key in _keys(run, before).values() if key})
    for row in taken.only("run_id", "branch", "n", "idempotency_key", "source_run_id", "source_seq"):
        known.sources.add((row.source_run_id, row.source_seq))
        known.keys |= {row.idempotency_key} - {""}
    return known


def _of_kept(run: Run, place: Place, kept: list[Step], node_seq: int) -> Iterator[Reuse]:
    """Yield a row, taken already, for each write among the copies, so that it is known where it comes from."""
    outcomes, keys = outcomes_of(run.pk, kept), _keys(run, kept)
    for seq, step in enumerate(kept, node_seq + 1):
        if step.effect in WRITES or step.kind == "child_run":
            row = outcomes[step.seq]
            body = Encoded(row.body_codec, bytes(row.body or b""), 0) if step.status == SUCCEEDED else None
            made = reuse_row(
                place, 0, step, bytes(row.request_hash), status_of(step), keys.get(step.seq, ""), body
            )
            made.taken_seq = seq
            yield made


def _given(run: Run, place: Place, known: _Known) -> Iterator[Reuse]:
    """Yield what a fork was given from its parent and the state at the point does not know of."""
    for row in Reuse.objects.filter(run_id=run.pk, branch=1).exclude(source_run_id=run.pk).order_by("n"):
        if (row.source_run_id, row.source_seq) in known.sources or _was_made(run, row):
            continue
        row.branch, row.taken_seq = place.branch, None
        row._state.adding = True  # noqa: SLF001 -- a new row like the old one
        yield row


def _was_made(run: Run, row: Reuse) -> bool:
    """Whether a write of the run itself stands for the row."""
    taken = Step.objects.filter(run_id=run.pk, seq=row.taken_seq or 0, reuse="", effect__in=WRITES)
    return row.taken_seq is not None and taken.exists()


def _written(run: Run, point: Point, place: Place, known: _Known) -> Iterator[Reuse]:
    """Yield the writes that the run has made and the state at the point does not know of; one for each key."""
    made = Step.objects.filter(_MADE, run_id=run.pk, depth=1, reuse="").exclude(error_code__in=NEVER_CALLED)
    made = made.exclude(seq__in=_lost_children(run))
    ended = made.filter(status__in=["succeeded", "failed", "unknown"]).order_by("seq")
    steps = [step for step in ended if not point.is_before(step)]
    keys = _keys(run, steps)
    last: dict[str, Step] = {}
    for step in steps:
        key = keys.get(step.seq) or str(step.seq)
        if key not in known.keys and (run.pk, step.seq) not in known.sources:
            last[key] = _surer(last.get(key), step)
    chosen = sorted(last.values(), key=lambda step: step.seq)
    yield from _copies(run, place, chosen, keys)


def _lost_children(run: Run) -> list[int]:
    """Return the steps that started a run, not waited for there, that has ended without success."""
    lost = Run.objects.filter(parent_id=run.pk, child_n=None, ended_at__isnull=False).exclude(
        status=SUCCEEDED
    )
    return [seq for seq in lost.values_list("parent_seq", flat=True) if seq is not None]


def _surer(one: Step | None, other: Step) -> Step:
    return one if one is not None and one.status == SUCCEEDED else other


def _copies(run: Run, place: Place, steps: list[Step], keys: Mapping[int, str]) -> Iterator[Reuse]:
    outcomes = outcomes_of(run.pk, steps)
    hashes = {
        row.seq: row for row in Outcome.objects.filter(run_id=run.pk, seq__in=[step.seq for step in steps])
    }
    for step in steps:
        row = outcomes.get(step.seq)
        is_served = row is not None and step.status == SUCCEEDED
        body = Encoded(row.body_codec, bytes(row.body or b""), 0) if row is not None and is_served else None
        request_hash = bytes(hashes[step.seq].request_hash)
        yield reuse_row(place, 0, step, request_hash, status_of(step), keys.get(step.seq, ""), body)


def _numbered(rows: Iterator[Reuse]) -> Iterator[Reuse]:
    for n, row in enumerate(rows, 1):
        row.n = n
        row.mac = mac_of(row)
        yield row


def _keys(run: Run, steps: list[Step]) -> dict[int, str]:
    found = Intent.objects.filter(run_id=run.pk, seq__in=[step.seq for step in steps])
    return dict(found.values_list("seq", "idempotency_key"))


def _branch_at(run: Run, point: Point) -> int:
    """Return the branch on which the point's checkpoint was made."""
    found = Checkpoint.objects.filter(run_id=run.pk, seq=point.checkpoint_seq, kind="d")
    return found.values_list("branch", flat=True).first() or 1


def _last_number(run: Run) -> int:
    last: int | None = Branch.objects.filter(run_id=run.pk).aggregate(last=Max("number"))["last"]
    return max(last or 1, run.branch)


def _last_seq(run: Run) -> int:
    last: int | None = Step.objects.filter(run_id=run.pk).aggregate(last=Max("seq"))["last"]
    return max(last or 0, run.node_seq)
