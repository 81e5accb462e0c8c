"""Segments: the changes of about fifty steps, merged, so that a state is rebuilt from few rows.

Deltas are never rewritten; a segment is one more row, written with the commit that completes it. What a later
operation overwrites is left out. Measured against alternatives in docs/adr/0007.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from runs.checkpoints.blobs import shelved
from runs.checkpoints.chain import segment_mac
from runs.checkpoints.codec import Encoded, encode
from runs.engine.updates import Delta

SEGMENT_STEPS = 50


@dataclass(frozen=True, slots=True)
class Segment:
    """A merged stretch of a chain: after `from_seq`, up to the step that stores it."""

    from_seq: int
    encoded: Encoded
    mac: bytes


@dataclass(slots=True)
class Tail:
    """The deltas since the last segment of a run: where they begin, and what they are.

    `files` is the hash of the run's last change of files, empty while there was none.
    """

    from_seq: int
    from_hash: bytes
    deltas: list[Delta] = field(default_factory=list)
    files: bytes = b""

    def add(self, delta: Delta) -> None:
        self.deltas.append(delta)

    def segment(self, team_id: UUID, run_id: UUID, seq: int, tip_hash: bytes) -> Segment | None:
        """Return the segment that ends at the step `seq`, whose delta was added last, or None when it is too early."""
        if len(self.deltas) < SEGMENT_STEPS:
            return None
        encoded = shelved(team_id, encode(merged(self.deltas)))
        start = (self.from_seq, self.from_hash)
        mac = segment_mac(team_id, run_id, seq, start, tip_hash, encoded, files=self.files)
        return Segment(self.from_seq, encoded, mac)

    def start_over(self, seq: int, tip_hash: bytes) -> None:
        self.from_seq, self.from_hash, self.deltas = seq, tip_hash, []


def merged(deltas: list[Delta]) -> Any:
    """Return one delta with the effect of all, without what is overwritten.

    Only what is plainly safe is dropped: a `set` of the very pointer that is set again later, and neighbouring
    `append`s to one list are joined. Operations that shift list items end the look-back.
    """
    kept: list[Any] = []
    last = _Last()
    for op, pointer, value in (operation for delta in deltas for operation in delta):
        if op == "remove" or _is_item(pointer):
            last = _Last()
            kept.append([op, pointer, value])
            continue
        earlier = last.index.get(pointer)
        if earlier is not None and op == "append" and kept[earlier][0] == "append":
            kept[earlier] = ["append", pointer, kept[earlier][2] + value]
            continue
        if earlier is not None and op == "set":
            kept[earlier] = None
        last.put(pointer, len(kept))
        kept.append([op, pointer, value])
    return [operation for operation in kept if operation is not None]


def _is_item(pointer: str) -> bool:
    last = pointer.rpartition("/")[2]
    return last == "-" or last.isdecimal()


class _Last:
    """Where each pointer was last written, for those that nothing above or below them has touched since."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self._below: dict[str, set[str]] = {}

    def put(self, pointer: str, index: int) -> None:
        """Note the pointer, and forget what stands above or below it: its order towards this operation matters."""
        for other in self._below.pop(pointer, ()):
            self.index.pop(other, None)
        above = pointer
        while above:
            above = above.rpartition("/")[0]
            self.index.pop(above, None)
            self._below.setdefault(above, set()).add(pointer)
        self.index[pointer] = index
