"""Rebuilding the state of a run at any of its checkpoints, checked against the chain."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from agentops.common.errors import NotFoundError
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import NO_PARENT, IntegrityError, checkpoint_hash, cut_hash, same, segment_mac
from runs.checkpoints.codec import Encoded
from runs.checkpoints.lineage import branch_of, lineage
from runs.checkpoints.segments import Tail
from runs.engine.frozen import freeze
from runs.engine.updates import apply_delta
from runs.models import Checkpoint, Run

_ROWS = """
SELECT kind, seq, parent_seq, codec, CASE WHEN kind = 'c' THEN ''::bytea ELSE body END, hash, tip_hash
FROM runs_checkpoint
WHERE run_id = %(run_id)s AND branch = %(branch)s AND (seq <= %(goal)s OR kind = 's') AND (kind IN ('c', 'g', 's') OR (kind = 'd' AND
    seq > coalesce((SELECT max(seq) FROM runs_checkpoint WHERE run_id = %(run_id)s AND branch = %(branch)s
     AND kind = 'g' AND seq <= %(goal)s), 0)))
ORDER BY seq, kind
"""
_ROWS_OF_LINEAGE = """
WITH c AS (
    SELECT c.* FROM runs_checkpoint c
    JOIN unnest(%(branches)s::int[], %(uptos)s::bigint[]) AS p(branch, upto) ON p.branch = c.branch AND c.seq <= p.upto
    WHERE c.run_id = %(run_id)s AND (c.seq <= %(goal)s OR c.kind = 's'))
SELECT kind, seq, parent_seq, codec, CASE WHEN kind = 'c' THEN ''::bytea ELSE body END, hash, tip_hash FROM c
WHERE kind IN ('c', 'g', 's') OR seq > coalesce((SELECT max(seq) FROM c WHERE kind = 'g'), 0)
ORDER BY seq, kind
"""

# A change of files comes before the delta, segment or snapshot of its step, whose hash covers it.
FILES, DELTA, SEGMENT, SNAPSHOT = "c", "d", "g", "s"


class _Row(NamedTuple):
    kind: str
    seq: int
    parent_seq: int
    codec: int
    body: bytes
    hash: bytes
    tip_hash: bytes | None


@dataclass(slots=True)
class Rebuilt:
    """The state at `seq` (frozen containers), the hash of its checkpoint, and the deltas since the last segment.

    `tail.files` is the hash of the last change of files up to there.
    """

    seq: int
    state: Any
    hash: bytes
    tail: Tail


def genesis(team_id: UUID, run_id: UUID, encoded: Encoded) -> bytes:
    """Return the hash that the chain of a run begins with."""
    return checkpoint_hash(team_id, run_id, 0, NO_PARENT, encoded)


def fork_genesis(
    team_id: UUID, run_id: UUID, given: Encoded, snapshot: Encoded, parent_hash: bytes, *, files: bytes = b""
) -> bytes:
    """Return the hash that the chain of a fork begins with: of the input, the state, the files, and the parent's hash."""
    link = parent_hash + genesis(team_id, run_id, given)
    return checkpoint_hash(team_id, run_id, 0, link, snapshot, files=files)


def rebuild(run: Run, seq: int | None = None, *, branch: int | None = None) -> Rebuilt:
    """Return the state after step `seq`, or at the run's head.

    It is that of `branch`, or else of the branch on which the step was done. Only the columns id, team_id, branch,
    head_seq, head_hash, input and input_codec of `run` are read.

    Raises: IntegrityError when a row on the way was changed, moved or taken away; NotFoundError when it was pruned.
    """
    goal = run.head_seq if seq is None else seq
    if branch is None:
        branch = run.branch if seq is None else branch_of(run, goal)
    built = _beginning(run)
    has_only_begun = not goal and same(built.hash, run.head_hash)
    for row in () if has_only_begun else _rows(run, goal, branch):
        _BY_KIND[row.kind](run, built, row)
    is_head = goal == run.head_seq and branch == run.branch
    if is_head and (built.seq != goal or not same(built.hash, run.head_hash)):
        raise IntegrityError(run.id, goal, "the head", built.seq)
    return built


def delta_at(run: Run, seq: int) -> Any:
    """Return the delta (declared operations) that the node step `seq` committed.

    Raises: Checkpoint.DoesNotExist
    """
    row = Checkpoint.objects.get(run_id=run.id, seq=seq, kind=DELTA)
    return load(row.codec, row.body)


def _beginning(run: Run) -> Rebuilt:
    encoded = Encoded(run.input_codec, bytes(run.input), 0)
    link = genesis(run.team_id, run.id, encoded)
    return Rebuilt(0, freeze(_decoded(run, 0, encoded)), link, Tail(0, link))


def _rows(run: Run, goal: int, branch: int) -> list[_Row]:
    """Fetch what the state is made of, in binary: bytes as text are twice as long, and are read digit by digit."""
    connection.ensure_connection()
    sql, params = _ROWS, {"run_id": run.id, "branch": branch, "goal": goal}
    if branch > 1:
        branches, uptos = zip(*lineage(run.id, branch).stretches, strict=True)
        sql, params = _ROWS_OF_LINEAGE, params | {"branches": list(branches), "uptos": list(uptos)}
    with connection.wrap_database_errors, connection.connection.cursor(binary=True) as cursor:
        rows = [_Row(*row) for row in cursor.execute(sql, params, prepare=True)]
    return _behind_cut(run, goal, rows)


def _behind_cut(run: Run, goal: int, rows: list[_Row]) -> list[_Row]:
    """Return the rows without those that a cut has condemned: the state begins with its snapshot.

    Raises: NotFoundError when the state that is asked for was cut off.
    """
    cut_seq = max((row.seq for row in rows if row.kind == SNAPSHOT), default=0)
    if cut_seq > goal:
        told = f"the state of run {run.id} after step {goal} was pruned; the first that is left is the one after {cut_seq}"
        raise NotFoundError(told, run_id=str(run.id), first_seq=cut_seq)
    return [
        row
        for row in rows
        if row.seq > cut_seq or row.kind == FILES or (row.kind, row.seq) == (SNAPSHOT, cut_seq)
    ]


def _note_files(run: Run, built: Rebuilt, row: _Row) -> None:
    """Note the hash of a change of files; the checkpoint that comes next tells whether it is what was written."""
    built.tail.files = bytes(row.hash)


def _start(run: Run, built: Rebuilt, row: _Row) -> None:
    """Take the snapshot that a fork begins with, or that stands where the chain was cut."""
    encoded, parent_hash = Encoded(row.codec, bytes(row.body), 0), bytes(row.tip_hash or b"")
    given = Encoded(run.input_codec, bytes(run.input), 0)
    if row.seq:
        _begin_at_cut(run, built, row, encoded, parent_hash)
        return
    computed = fork_genesis(run.team_id, run.id, given, encoded, parent_hash, files=built.tail.files)
    if not same(computed, row.hash):
        raise IntegrityError(run.id, row.seq, "the snapshot")
    built.state, built.hash = freeze(_decoded(run, row.seq, encoded)), computed
    built.tail.start_over(0, computed)


def _begin_at_cut(run: Run, built: Rebuilt, row: _Row, encoded: Encoded, tip_hash: bytes) -> None:
    ties = (genesis(run.team_id, run.id, Encoded(run.input_codec, bytes(run.input), 0)), tip_hash)
    computed = cut_hash(run.team_id, run.id, row.seq, ties, encoded, files=built.tail.files)
    if not same(computed, row.hash):
        raise IntegrityError(run.id, row.seq, "the snapshot")
    built.state, built.seq, built.hash = freeze(_decoded(run, row.seq, encoded)), row.seq, tip_hash
    built.tail.start_over(row.seq, tip_hash)


def _step(run: Run, built: Rebuilt, row: _Row) -> None:
    """Apply one delta."""
    encoded = Encoded(row.codec, bytes(row.body), 0)
    computed = checkpoint_hash(run.team_id, run.id, row.seq, built.hash, encoded, files=built.tail.files)
    if row.parent_seq != built.seq or not same(computed, row.hash):
        raise IntegrityError(run.id, row.seq, "the checkpoint", built.seq)
    delta = _decoded(run, row.seq, encoded)
    apply_delta(built.state, delta)
    built.tail.add(delta)
    built.seq, built.hash = row.seq, computed


def _jump(run: Run, built: Rebuilt, row: _Row) -> None:
    """Apply one segment."""
    encoded, tip_hash = Encoded(row.codec, bytes(row.body), 0), bytes(row.tip_hash or b"")
    start = (built.seq, built.hash)
    computed = segment_mac(run.team_id, run.id, row.seq, start, tip_hash, encoded, files=built.tail.files)
    if row.parent_seq != built.seq or not same(computed, row.hash):
        raise IntegrityError(run.id, row.seq, "the segment", built.seq)
    apply_delta(built.state, _decoded(run, row.seq, encoded))
    built.seq, built.hash = row.seq, tip_hash
    built.tail.start_over(row.seq, tip_hash)


def _decoded(run: Run, seq: int, encoded: Encoded) -> Any:
    try:
        return load(encoded.codec, encoded.body)
    except ValueError as error:
        raise IntegrityError(run.id, seq, "the checkpoint") from error


_BY_KIND = {FILES: _note_files, DELTA: _step, SEGMENT: _jump, SNAPSHOT: _start}
