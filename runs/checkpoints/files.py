"""The files of a run at any of its checkpoints: the changes that its steps made, put together and checked."""

from dataclasses import dataclass, field
from uuid import UUID

from agentops.common.types import JsonObject
from runs.checkpoints.blobs import load, put, shelved
from runs.checkpoints.chain import IntegrityError, files_hash, same
from runs.checkpoints.codec import Encoded, encode
from runs.checkpoints.lineage import lineage
from runs.checkpoints.store import FILES
from runs.engine.files import File, Manifest, apply_change, change_between
from runs.models import Checkpoint, FileUse

NO_CHANGE = b""


@dataclass(slots=True)
class Held:
    """The files after a step, and for each the step that last put it there (0: the fork brought it along).

    `before` tells of each such step which checkpoint came before it.
    """

    manifest: Manifest = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)

    def good_before(self, file: File) -> int:
        """Return the last checkpoint that did not hold the file yet."""
        return min(
            (self.before[self.seqs[path]] for path, one in self.manifest.items() if one == file), default=0
        )


def files_at(team_id: UUID, run_id: UUID, *, branch: int, seq: int, tip: bytes) -> Held:
    """Return the files after step `seq` of the branch; `tip` is the hash of the last change, as the chain tells it.

    Raises: IntegrityError when a change was altered, moved or taken away.
    """
    held, found = Held(), NO_CHANGE
    if not tip:
        return held
    rows = Checkpoint.objects.filter(
        lineage(run_id, branch).where("seq"), run_id=run_id, kind=FILES, seq__lte=seq
    )
    for row in rows.order_by("seq"):
        found = _apply(team_id, row, held, found)
    if not same(found, tip):
        raise IntegrityError(run_id, seq, "the list of files", max(held.before.values(), default=0))
    return held


def first_files(team_id: UUID, run_id: UUID, manifest: Manifest) -> tuple[Encoded, bytes] | None:
    """Return the change that a fork begins with, as it is stored, and its hash; None for no files.

    Transaction: the caller's; a large list is stored aside.
    """
    change = change_between({}, manifest)
    if change is None:
        return None
    encoded = encoded_change(team_id, change)
    if encoded.blob is not None:
        put(team_id, encoded)
    return encoded, files_hash(team_id, run_id, 0, NO_CHANGE, encoded)


def note_uses(run_id: UUID, manifest: Manifest) -> None:
    """Note which contents the run holds, so that they stay. Transaction: the caller's."""
    digests = {bytes.fromhex(file.blob) for file in manifest.values()}
    uses = [FileUse(run_id=run_id, digest=digest) for digest in sorted(digests)]
    FileUse.objects.bulk_create(uses, ignore_conflicts=True)


def encoded_change(team_id: UUID, change: JsonObject) -> Encoded:
    return shelved(team_id, encode(change))


def hash_of(row: Checkpoint, before: bytes) -> bytes:
    """Return the hash that a stored change must have behind the change `before`."""
    encoded = Encoded(row.codec, bytes(row.body), 0)
    return files_hash(row.team_id, row.run_id, row.seq, before, encoded)


def _apply(team_id: UUID, row: Checkpoint, held: Held, before: bytes) -> bytes:
    try:
        if row.team_id != team_id or not same(hash_of(row, before), row.hash):
            raise ValueError("altered")  # noqa: TRY301 -- told as one error with what load finds
        changed = apply_change(held.manifest, load(row.codec, row.body))
    except ValueError as error:
        raise IntegrityError(row.run_id, row.seq, "the list of files", row.parent_seq) from error
    held.seqs |= dict.fromkeys(changed, row.seq)
    held.before[row.seq] = row.parent_seq
    return bytes(row.hash)
