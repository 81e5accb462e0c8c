"""Contents of files among the large values of a team: each stands once, compressed where that pays.

They are stored before the commit that refers to them. One that no commit came to refer to does no harm.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import zstandard
from django.db import connection

from runs.checkpoints.blobs import STAYS
from runs.checkpoints.chain import blob_digest
from runs.checkpoints.codec import MIN_COMPRESSED_BYTES
from runs.engine.files import File
from runs.models import Blob

# Two statements: in one, what the first inserts is not there for the second. Blobs are locked in one order.
_STORE = (
    "INSERT INTO runs_blob (digest, team_id, codec, body, plain_bytes)"  # noqa: S608 -- constants
    " SELECT * FROM unnest(%(digests)s::bytea[], %(teams)s::uuid[], %(codecs)s::smallint[], %(bodies)s::bytea[],"
    f" %(sizes)s::bigint[]) {STAYS}"
)
_MEND = (
    "UPDATE runs_blob b SET team_id = n.team_id, codec = n.codec, body = n.body FROM unnest(%(digests)s::bytea[],"
    " %(teams)s::uuid[], %(codecs)s::smallint[], %(bodies)s::bytea[]) AS n(digest, team_id, codec, body)"
    " WHERE b.digest = n.digest AND (b.team_id, b.codec, b.body) IS DISTINCT FROM (n.team_id, n.codec, n.body)"
)
RAW, RAW_ZSTD = 3, 4
BATCH_BYTES = 2 << 20
BATCH_FILES = 200

Attempt = Callable[[Callable[[], Any]], Any]


class ContentError(ValueError):
    """The content of `file` is not what was written, or not there."""

    def __init__(self, file: File, reason: str) -> None:
        super().__init__(f"the content of a file {reason}")
        self.file = file


def once(attempt: Callable[[], Any]) -> Any:
    """Ask the database, and let its errors through."""
    return attempt()


@dataclass(slots=True)
class Shelf:
    """Stores contents in batches; `flush` when all have been put. `through` says how the database is asked."""

    team_id: UUID
    through: Attempt = once
    _waiting: dict[bytes, Blob] = field(default_factory=dict)
    _n_bytes: int = 0

    def put(self, content: bytes, *, is_executable: bool) -> File:
        """Return what a manifest says of a file with this content, which will be stored."""
        codec, body = _packed(content)
        digest = blob_digest(self.team_id, codec, body)
        if digest not in self._waiting:
            values: dict[str, Any] = {"codec": codec, "body": body, "plain_bytes": len(content)}
            self._waiting[digest] = Blob(digest=digest, team_id=self.team_id, **values)
            self._n_bytes += len(body)
        if self._n_bytes >= BATCH_BYTES or len(self._waiting) >= BATCH_FILES:
            self.flush()
        return File(len(content), hashlib.sha256(content).hexdigest(), is_executable, digest.hex())

    def flush(self) -> None:
        """Store what waits. Always in the same order: two that store the same must not wait for each other."""
        rows = [self._waiting[digest] for digest in sorted(self._waiting)]
        if rows:
            self.through(lambda: _store(rows))
        self._waiting, self._n_bytes = {}, 0


def _store(rows: list[Blob]) -> None:
    """Store the contents; one that stands already under its digest, but was altered there, is mended."""
    params: dict[str, Any] = {
        "digests": [row.digest for row in rows], "teams": [row.team_id for row in rows],
        "codecs": [row.codec for row in rows], "bodies": [row.body for row in rows],
        "sizes": [row.plain_bytes for row in rows],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_STORE, params)
        cursor.execute(_MEND, params)


def contents(
    team_id: UUID, files: Iterable[File], *, through: Attempt = once
) -> Iterator[tuple[File, bytes]]:
    """Yield each different file with its content, checked; read in batches, equal contents once.

    Raises: ContentError
    """
    by_blob: dict[str, set[File]] = {}
    for file in files:
        by_blob.setdefault(file.blob, set()).add(file)
    for batch in _batches(by_blob):
        rows = through(lambda batch=batch: _rows(batch))  # type: ignore[misc]  # mypy loses the default
        for blob in batch:
            for file in by_blob[blob]:
                yield file, _checked(team_id, rows.get(blob), file)


def _rows(batch: list[str]) -> dict[str, Blob]:
    found = Blob.objects.filter(digest__in=[bytes.fromhex(blob) for blob in batch])
    return {bytes(row.digest).hex(): row for row in found}


def _batches(by_blob: dict[str, set[File]]) -> Iterator[list[str]]:
    batch: list[str] = []
    n_bytes = 0
    for blob, files in by_blob.items():
        size_bytes = max(file.size_bytes for file in files)
        if batch and (n_bytes + size_bytes > BATCH_BYTES or len(batch) == BATCH_FILES):
            yield batch
            batch, n_bytes = [], 0
        batch.append(blob)
        n_bytes += size_bytes
    if batch:
        yield batch


def _checked(team_id: UUID, row: Blob | None, file: File) -> bytes:
    if row is None or row.team_id != team_id:
        raise ContentError(file, "is missing")
    body = bytes(row.body)
    if not hmac.compare_digest(blob_digest(team_id, row.codec, body).hex(), file.blob):
        raise ContentError(file, "is not what was written")
    content = _unpacked(row.codec, body, file)
    if len(content) != file.size_bytes or hashlib.sha256(content).hexdigest() != file.sha256:
        raise ContentError(file, "does not fit its manifest")
    return content


def _packed(content: bytes) -> tuple[int, bytes]:
    if len(content) >= MIN_COMPRESSED_BYTES:
        packed = zstandard.ZstdCompressor(level=3).compress(content)
        if len(packed) < len(content):
            return RAW_ZSTD, packed
    return RAW, content


def _unpacked(codec: int, body: bytes, file: File) -> bytes:
    if codec != RAW_ZSTD:
        return body
    try:
        declared = zstandard.get_frame_parameters(body).content_size
        if declared != file.size_bytes:
            raise ContentError(file, f"declares {declared:,} bytes")
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=file.size_bytes)
    except zstandard.ZstdError as error:
        raise ContentError(file, f"is damaged: {error}") from error
