"""Which steps wrote a place of the state: read from the declared updates, back from a checkpoint.

Fifty steps whose segment does not touch the place are passed over at once. How far one call looks back is bounded by
what it reads; where it stopped, another can go on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from runs.checkpoints.blobs import load
from runs.checkpoints.codec import Codec
from runs.checkpoints.lineage import branch_of, lineage
from runs.checkpoints.store import DELTA, SEGMENT, Rebuilt, rebuild
from runs.checkpoints.trail import Touch, Trail, UnclearError, trail_of
from runs.engine.updates import Delta, apply_delta, resolve
from runs.models import Run

MAX_ROWS = 3000
MAX_BYTES = 8 << 20
PAGE_ROWS = 200
# Large values are read one by one, so each counts for more than its reference.
_BLOB_BYTES = 256 << 10

_ROWS = """
SELECT c.seq, c.parent_seq, c.codec, c.body FROM runs_checkpoint c
JOIN unnest(%(branches)s::int[], %(uptos)s::bigint[]) AS p(branch, upto) ON p.branch = c.branch AND c.seq <= p.upto
WHERE c.run_id = %(run_id)s AND c.kind = %(kind)s AND c.seq <= %(upto)s AND c.seq > %(after)s
ORDER BY c.seq DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Writing:
    """One step that wrote a place, which stood at `at` then: the operation, and the checkpoint before it."""

    seq: int
    parent_seq: int
    touch: Touch
    op: str
    pointer: str
    at: str


@dataclass(slots=True)
class Blame:
    """The steps that wrote a place, the last first.

    `looked_to` is the checkpoint back to which was looked, and `at` where the place stood there; with `is_whole` there
    is nothing further back. `is_given` says that it stood in what the run began with.
    """

    at: str
    looked_to: int
    writings: list[Writing] = field(default_factory=list)
    is_whole: bool = False
    is_given: bool = False


class _Row(NamedTuple):
    seq: int
    parent_seq: int
    codec: int
    body: bytes

    @property
    def delta(self) -> Delta:
        found: Delta = load(self.codec, self.body)
        return found


def blame(run: Run, built: Rebuilt, pointer: str, *, limit: int) -> Blame:
    """Return the last `limit` steps that wrote what stands at `pointer` in a rebuilt state of the run.

    Raises:
        KeyError: nothing stands there.
        IntegrityError: stored bytes are not what was written.
    """
    return _Reader(run, built.seq).read(trail_of(built.state, pointer), built.seq, limit)


class _Reader:
    """Reads back along the lineage of the branch that a checkpoint is on, within a budget."""

    def __init__(self, run: Run, seq: int) -> None:
        self.run = run
        branches, uptos = zip(*lineage(run.pk, branch_of(run, seq)).stretches, strict=True)
        self.stretches = {"run_id": run.pk, "branches": list(branches), "uptos": list(uptos)}
        self.rows_left, self.bytes_left = MAX_ROWS, MAX_BYTES

    def read(self, trail: Trail, seq: int, limit: int) -> Blame:
        found = Blame(trail.pointer, seq)
        while found.looked_to and self._has_room():
            segment = next(self._rows(SEGMENT, found.looked_to, 0, 1), None)
            stop = segment.seq if segment else 0
            if not self._deltas(trail, found, stop, limit):
                return found
            if segment and found.looked_to == segment.seq and not self._passes(trail, found, segment, limit):
                return found
        if not found.looked_to:
            found.is_whole, found.is_given = True, self._is_given(trail)
        return found

    def _passes(self, trail: Trail, found: Blame, segment: _Row, limit: int) -> bool:
        """Go back over a segment: at once, or over its deltas; return whether the trail goes on."""
        tried = trail.copy()
        try:
            is_untouched = not any(tried.back(*operation) for operation in reversed(segment.delta))
        except UnclearError:
            is_untouched = False
        if not is_untouched:
            return self._deltas(trail, found, segment.parent_seq, limit)
        trail.parts, trail.lengths = tried.parts, tried.lengths
        found.looked_to, found.at = segment.parent_seq, trail.pointer
        return True

    def _deltas(self, trail: Trail, found: Blame, stop: int, limit: int) -> bool:
        """Go back over the deltas behind `stop`; return whether the trail goes on."""
        while found.looked_to > stop and self._has_room():
            rows = [*self._rows(DELTA, found.looked_to, stop, PAGE_ROWS)]
            if not rows:
                found.looked_to = stop
            for row in rows:
                writing = self._back(trail, row)
                found.looked_to, found.at = row.parent_seq, trail.pointer
                if writing is None:
                    continue
                found.writings.append(writing)
                found.is_whole = writing.touch in (Touch.MADE, Touch.GONE)
                if found.is_whole or len(found.writings) == limit:
                    return False
        return True

    def _back(self, trail: Trail, row: _Row) -> Writing | None:
        """Go back over one delta; return its last operation that touched the place."""
        delta, at, found = row.delta, trail.pointer, None
        for index in reversed(range(len(delta))):
            op, pointer, value = delta[index]
            try:
                touch = trail.back(op, pointer, value)
            except UnclearError as unclear:
                touch = trail.settle(pointer, unclear, self._length(trail, row, delta[:index], unclear.depth))
            if touch is not None and found is None:
                found = Writing(row.seq, row.parent_seq, touch, op, pointer, at)
            elif found is not None and touch in (Touch.MADE, Touch.GONE):
                found = Writing(row.seq, row.parent_seq, touch, found.op, found.pointer, at)
            if touch in (Touch.MADE, Touch.GONE):
                break
        return found

    def _length(self, trail: Trail, row: _Row, done: Sequence[Any], depth: int) -> int:
        """Return how long a list was before an operation, from the state that it was applied to."""
        self.rows_left -= PAGE_ROWS
        state = rebuild(self.run, row.parent_seq).state
        apply_delta(state, [*done])
        return len(resolve(state, Trail(trail.parts[:depth]).pointer))

    def _is_given(self, trail: Trail) -> bool:
        try:
            resolve(rebuild(self.run, 0).state, trail.pointer)
        except KeyError:
            return False
        return True

    def _has_room(self) -> bool:
        return self.rows_left > 0 and self.bytes_left > 0

    def _rows(self, kind: str, upto: int, after: int, limit: int) -> Iterator[_Row]:
        """Yield rows, the newest first, as long as there is room."""
        connection.ensure_connection()
        params = self.stretches | {"kind": kind, "upto": upto, "after": after, "limit": limit}
        with connection.wrap_database_errors, connection.connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_ROWS, params).fetchall()
        for row in map(_Row._make, rows):
            if not self._has_room():
                return
            self.rows_left -= 1
            self.bytes_left -= _BLOB_BYTES if row.codec == Codec.BLOB else len(row.body)
            yield row
