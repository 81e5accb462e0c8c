"""Take the rows of a run out of the database, once they stand in its archive or the run goes for good."""

from functools import lru_cache

from runs.archives.tables import LEFT, MOVED, bytes_of, table
from runs.journal.fence import execute
from runs.models import Archive

BATCH_ROWS = 2000

# Under the lock of the archive's row: who was held up here while the run was brought back takes nothing away.
_STRIP = """
WITH a AS (
    SELECT id, run_id FROM runs_archive WHERE id = %(id)s AND restored_at IS NULL AND stripped_at IS NULL
    AND (stored_at IS NOT NULL OR doomed_at IS NOT NULL) FOR UPDATE),
gone AS (
    DELETE FROM {table} t USING a WHERE t.run_id = a.run_id AND t.ctid = ANY(ARRAY(
        SELECT x.ctid FROM {table} x WHERE x.run_id = %(run_id)s LIMIT %(limit)s))
    RETURNING {bytes} AS row_bytes)
UPDATE runs_archive u SET n_rows = u.n_rows + g.n * {counts}, row_bytes = u.row_bytes + g.row_bytes
FROM (SELECT count(*) AS n, coalesce(sum(row_bytes), 0) AS row_bytes FROM gone) g, a WHERE u.id = a.id RETURNING g.n
"""
_DONE = """
UPDATE runs_archive SET stripped_at = clock_timestamp() WHERE id = %(id)s AND restored_at IS NULL AND stripped_at IS NULL
    AND (stored_at IS NOT NULL OR doomed_at IS NOT NULL) RETURNING id
"""


def strip_run(archive: Archive) -> Archive:
    """Return the archive, whose `n_rows` and `row_bytes` say what has left the database.

    It goes on where somebody broke off, and may be done by several at once.

    Transaction: one of at most BATCH_ROWS rows after the other.
    """
    params = {"id": archive.pk, "run_id": archive.run_id, "limit": BATCH_ROWS}
    for sql in _statements():
        while (done := execute(sql, params)) is not None and done[0] == BATCH_ROWS:
            pass
    execute(_DONE, {"id": archive.pk})
    archive.refresh_from_db()
    return archive


@lru_cache(maxsize=1)
def _statements() -> list[str]:
    moved = [_STRIP.format(table=table(model), bytes=bytes_of(model, "t"), counts=1) for model in MOVED]
    return moved + [_STRIP.format(table=name, bytes=0, counts=0) for name in LEFT]
