"""Large values stand once per team, under a digest of their bytes, and rows refer to them.

A page that forty runs have read is stored once. The digest is a keyed code over team and bytes, so a changed or
swapped blob is found when it is read. Source: DESIGN 10, PROTOCOL 25.
"""

import hmac
from typing import Any
from uuid import UUID

from django.db import connection

from runs.checkpoints.chain import blob_digest
from runs.checkpoints.codec import Codec, Encoded, decode
from runs.models import Blob

MIN_BLOB_BYTES = 64 << 10

# One that stands already is left alone, but for the note that somebody is about to refer to it: until an hour after that
# it is not taken away, whoever refers to it (runs.services.free_blobs).
STAYS = (
    "ON CONFLICT (digest) DO UPDATE SET created_at = clock_timestamp()"
    " WHERE runs_blob.created_at < clock_timestamp() - interval '10 minutes'"
)
_PUT = (
    "INSERT INTO runs_blob (digest, team_id, codec, body, plain_bytes)"  # noqa: S608 -- constants
    f" VALUES (%(digest)s, %(team_id)s, %(codec)s, %(body)s, %(plain_bytes)s) {STAYS}"
)


def shelved(team_id: UUID, encoded: Encoded) -> Encoded:
    """Return the value as a reference when it is large; `blob` then holds what must be stored beside it."""
    if len(encoded.body) < MIN_BLOB_BYTES or encoded.codec == Codec.BLOB:
        return encoded
    digest = blob_digest(team_id, encoded.codec, encoded.body)
    return Encoded(Codec.BLOB, digest, encoded.plain_bytes, encoded)


def put(team_id: UUID, encoded: Encoded) -> None:
    """Store the blob that a shelved value refers to."""
    assert encoded.blob is not None
    params: dict[str, Any] = {"digest": encoded.body, "team_id": team_id, "plain_bytes": encoded.plain_bytes}
    with connection.cursor() as cursor:
        cursor.execute(_PUT, params | {"codec": encoded.blob.codec, "body": encoded.blob.body})


def load(codec: int, body: bytes | memoryview) -> Any:
    """Return a stored value, fetched when it is a reference.

    Raises: ValueError when it is not what was written, or not there.
    """
    return decode(*resolved(codec, body))


def resolved(codec: int, body: bytes | memoryview) -> tuple[int, bytes]:
    """Return the codec and bytes that a reference stands for; others as they are.

    Raises: ValueError
    """
    if codec != Codec.BLOB:
        return codec, bytes(body)
    digest = bytes(body)
    row = Blob.objects.filter(digest=digest).first()
    if row is None:
        raise ValueError("a large value is missing")
    found = bytes(row.body)
    if not hmac.compare_digest(blob_digest(row.team_id, row.codec, found), digest):
        raise ValueError("a large value is not what was written")
    return row.codec, found
