"""Take away large values and contents of files that nobody refers to any more."""

from runs.journal.fence import execute

BATCH = 500
GRACE_SECONDS = 3600.0  # a commit that will refer to what it has just stored may be under way

# Whoever stores one of them at this moment has its row locked: it is skipped. Whoever has just stored it has set its time.
_FREE = """
WITH near AS (SELECT digest FROM runs_blob WHERE digest > %(after)s::bytea ORDER BY digest LIMIT %(limit)s),
loose AS (
    SELECT b.digest FROM runs_blob b WHERE b.digest IN (SELECT digest FROM near)
    AND b.created_at < clock_timestamp() - %(grace_seconds)s * interval '1 second'
    AND NOT EXISTS (SELECT 1 FROM runs_outcome o WHERE o.body_codec = 2 AND o.body = b.digest)
    AND NOT EXISTS (SELECT 1 FROM runs_outcome o WHERE o.request_codec = 2 AND o.request = b.digest)
    AND NOT EXISTS (SELECT 1 FROM runs_checkpoint c WHERE c.codec = 2 AND c.body = b.digest)
    AND NOT EXISTS (SELECT 1 FROM runs_reuse u WHERE u.body_codec = 2 AND u.body = b.digest)
    AND NOT EXISTS (SELECT 1 FROM runs_run r WHERE r.output_codec = 2 AND r.output = b.digest)
    AND NOT EXISTS (SELECT 1 FROM runs_fileuse f WHERE f.digest = b.digest)
    FOR UPDATE OF b SKIP LOCKED),
gone AS (
    DELETE FROM runs_blob b USING loose WHERE b.digest = loose.digest
    AND b.created_at < clock_timestamp() - %(grace_seconds)s * interval '1 second' RETURNING octet_length(b.body) AS n_bytes)
SELECT (SELECT digest FROM near ORDER BY digest DESC LIMIT 1), (SELECT count(*) FROM near), (SELECT count(*) FROM gone),
    (SELECT coalesce(sum(n_bytes), 0)::bigint FROM gone)
"""


def free_blobs(after: bytes, *, grace_seconds: float = GRACE_SECONDS) -> tuple[bytes | None, int, int]:
    """Look at the next BATCH values behind the digest `after`; return the last of them, how many went, and their bytes.

    The last is None when there are no more. A value goes when it was not stored for `grace_seconds` and no row refers to it:
    who copies a reference holds the row that it copies it from.

    Transaction: none open; one statement, which waits for no lock.
    """
    row = execute(_FREE, {"after": after, "limit": BATCH, "grace_seconds": grace_seconds})
    assert row is not None
    last, n_seen, n_gone, n_bytes = row
    return (bytes(last) if n_seen == BATCH else None), n_gone, n_bytes
