"""Rebuilding the state of a run at any of its checkpoints, checked against the chain."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from runs.checkpoints.chain import NO_PARENT, IntegrityError, checkpoint_hash, same
from runs.checkpoints.codec import Encoded, decode
from runs.engine.frozen import freeze
from runs.engine.updates import apply_delta
from runs.models import Checkpoint, Run


@dataclass(slots=True)
class Rebuilt:
    """The state at `seq` (frozen containers) and the hash of its checkpoint."""

    seq: int
    state: Any
    hash: bytes


def genesis(team_id: UUID, run_id: UUID, encoded: Encoded) -> bytes:
    """Return the hash that the chain of a run begins with."""
    return checkpoint_hash(team_id, run_id, 0, NO_PARENT, encoded)


def rebuild(run: Run, seq: int | None = None) -> Rebuilt:
    """Return the state after step `seq` of the run's branch, or at its head.

    Only the columns id, team_id, branch, head_seq, head_hash, input and input_codec of `run` are read.

    Raises: IntegrityError when a row on the way was changed, moved or taken away.
    """
    goal = run.head_seq if seq is None else seq
    first = Encoded(run.input_codec, bytes(run.input), 0)
    built = Rebuilt(0, freeze(decode(*first[:2])), genesis(run.team_id, run.id, first))
    for row in _deltas(run, goal):
        _advance(run, built, row)
    if goal == run.head_seq and (built.seq != goal or not same(built.hash, run.head_hash)):
        raise IntegrityError(run.id, goal, "the head")
    return built


def deltas_between(run: Run, seq: int) -> Any:
    """Return the delta (declared operations) that the node step `seq` committed.

    Raises: Checkpoint.DoesNotExist
    """
    row = Checkpoint.objects.get(run_id=run.id, seq=seq, kind="d")
    return decode(row.codec, row.body)


def _deltas(run: Run, goal: int) -> Any:
    rows = Checkpoint.objects.filter(run_id=run.id, branch=run.branch, kind="d", seq__lte=goal)
    return rows.order_by("seq").values_list("seq", "parent_seq", "codec", "body", "hash").iterator(2000)


def _advance(run: Run, built: Rebuilt, row: tuple[int, int, int, bytes, bytes]) -> None:
    seq, parent_seq, codec, body, stored = row
    encoded = Encoded(codec, bytes(body), 0)
    computed = checkpoint_hash(run.team_id, run.id, seq, built.hash, encoded)
    if parent_seq != built.seq or not same(computed, stored):
        raise IntegrityError(run.id, seq, "the checkpoint")
    apply_delta(built.state, decode(codec, encoded.body))
    built.seq, built.hash = seq, computed
