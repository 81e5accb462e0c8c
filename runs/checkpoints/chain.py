"""Message authentication codes that tie each stored value to its run, its place and what came before it.

Copying, reordering, editing or truncating rows is detected: a checkpoint's hash covers its parent's, and the
run row holds the hash of the head. Source: DESIGN 10, PROTOCOL 25.
"""

import hmac
import struct
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from agentops.common.canonical import digest
from agentops.common.types import JsonValue
from runs.checkpoints.codec import Encoded

NO_PARENT = b""


class IntegrityError(Exception):
    """Stored bytes that are not what was written.

    `seq` is the step whose row fails, `last_good_seq` the last checkpoint before it that was checked.
    """

    def __init__(self, run_id: UUID, seq: int, what: str, last_good_seq: int = 0) -> None:
        super().__init__(f"{what} of run {run_id} at step {seq} fails its integrity check")
        self.run_id = run_id
        self.seq = seq
        self.last_good_seq = last_good_seq


def checkpoint_hash(
    team_id: UUID, run_id: UUID, seq: int, parent_hash: bytes, encoded: Encoded, *, files: bytes = b""
) -> bytes:
    """Return the 32-byte hash of a checkpoint; seq 0 is the genesis, made of the run's input.

    `files` is the hash of the last change of files up to here, empty while there was none.
    """
    return _mac(b"checkpoint", team_id, run_id, seq, parent_hash + files, encoded.codec, encoded.body)


def files_hash(team_id: UUID, run_id: UUID, seq: int, files_before: bytes, encoded: Encoded) -> bytes:
    """Return the 32-byte hash of a change of files, chained to the one before it."""
    return _mac(b"files", team_id, run_id, seq, files_before, encoded.codec, encoded.body)


def outcome_mac(
    team_id: UUID,
    run_id: UUID,
    seq: int,
    request_hash: bytes,
    codec: int,
    body: bytes,
    *,
    status: str = "succeeded",
    riders: JsonValue = None,
) -> bytes:
    """Return the 32-byte code of an action's outcome: its request, how it ended, and the values taken before it."""
    link = request_hash + digest([status, riders or []])
    return _mac(b"outcome", team_id, run_id, seq, link, codec, body)


def end_mac(
    team_id: UUID,
    run_id: UUID,
    head: tuple[int, bytes],
    *,
    codec: int = 0,
    output: bytes = b"",
    error: JsonValue = None,
) -> bytes:
    """Return the 32-byte code of a run's end: its last checkpoint (seq and hash), and its output or its error."""
    seq, head_hash = head
    return _mac(b"end", team_id, run_id, seq, head_hash + digest(error), codec, output)


def segment_mac(
    team_id: UUID,
    run_id: UUID,
    seq: int,
    start: tuple[int, bytes],
    tip_hash: bytes,
    encoded: Encoded,
    *,
    files: bytes = b"",
) -> bytes:
    """Return the 32-byte code of a segment: what it merges, from which checkpoint (seq and hash), to which.

    `files` is the hash of the last change of files up to its end.
    """
    from_seq, from_hash = start
    link = struct.pack(">q", from_seq) + from_hash + tip_hash + files
    return _mac(b"segment", team_id, run_id, seq, link, encoded.codec, encoded.body)


def cut_hash(
    team_id: UUID, run_id: UUID, seq: int, ties: tuple[bytes, bytes], encoded: Encoded, *, files: bytes = b""
) -> bytes:
    """Return the 32-byte hash of the snapshot where a chain was cut.

    `ties` are the hash that the chain began with, and that of the checkpoint `seq`, to which the rest of it is chained.
    """
    return _mac(b"cut", team_id, run_id, seq, b"".join(ties) + files, encoded.codec, encoded.body)


def cut_mac(team_id: UUID, run_id: UUID, seq: int, tip_hash: bytes, what: JsonValue) -> bytes:
    """Return the 32-byte code of the row that says where a chain was cut; `what` is all that it says."""
    return _mac(b"cut-row", team_id, run_id, seq, tip_hash + digest(what), 0, b"")


def blob_digest(team_id: UUID, codec: int, body: bytes) -> bytes:
    """Return the 32-byte keyed digest under which a large value of a team is stored."""
    return hmac.digest(_key(), b"".join((b"blob", team_id.bytes, bytes([codec]), body)), "sha256")


def reuse_mac(
    team_id: UUID,
    run_id: UUID,
    place: tuple[int, int],
    request_hash: bytes,
    what: JsonValue,
    codec: int,
    body: bytes,
) -> bytes:
    """Return the 32-byte code of a reusable outcome at `place` (branch, n); `what` is all that is said of it."""
    branch, n = place
    return _mac(b"reuse", team_id, run_id, n, request_hash + digest([branch, what]), codec, body)


def branch_seal(team_id: UUID, run_id: UUID, number: int, from_hash: bytes, what: JsonValue) -> bytes:
    """Return the 32-byte code of a branch: the checkpoint it begins with, how it treats the past, what it was given."""
    return _mac(b"branch", team_id, run_id, number, from_hash + digest(what), 0, b"")


def archive_code() -> hmac.HMAC:
    """Return the code of an archive before its first byte; feed it the file, and its digest has 32 bytes."""
    code = _keyed(_key()).copy()
    code.update(b"archive")
    return code


def same(left: bytes | memoryview, right: bytes | memoryview) -> bool:
    """Compare two codes in constant time."""
    return hmac.compare_digest(bytes(left), bytes(right))


def _mac(label: bytes, team_id: UUID, run_id: UUID, seq: int, link: bytes, codec: int, body: bytes) -> bytes:
    head = struct.pack(">B16s16sqBB", len(label), team_id.bytes, run_id.bytes, seq, len(link), codec)
    code = _keyed(_key()).copy()
    code.update(b"".join((label, head, link, body)))
    return code.digest()


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> hmac.HMAC:
    """Return the code before the first byte: to set a key up costs as much as a small delta."""
    return hmac.new(key, digestmod="sha256")


def _key() -> bytes:
    key: str = settings.INTEGRITY_KEY
    if not key:
        raise ImproperlyConfigured(
            "AGENTOPS_INTEGRITY_KEY is not set; every process of an installation needs the same one"
        )
    return key.encode()
