"""Take the rows of runs out of the database, once they stand in their archives or the runs go for good."""

from collections.abc import Sequence
from functools import lru_cache

from runs.archives.tables import LEFT, MOVED, bytes_of, table
from runs.journal.fence import UNHURRIED, is_alone, query
from runs.models import Archive

BATCH_ROWS = 2000

# Under the locks of the archives' rows: who was held up here while a run was brought back takes nothing of it away. What a
# crash of the server loses of it is finished like what a killed process has left.
_STRIP = """
WITH a AS (
    SELECT id, run_id, {unhurried} FROM runs_archive
    WHERE id = ANY(%(ids)s::uuid[]) AND restored_at IS NULL AND stripped_at IS NULL
    AND (stored_at IS NOT NULL OR doomed_at IS NOT NULL) ORDER BY id FOR UPDATE),
gone AS (
    DELETE FROM {table} t USING a WHERE t.run_id = a.run_id AND t.ctid = ANY(ARRAY(
        SELECT x.ctid FROM {table} x WHERE x.run_id = ANY(%(run_ids)s::uuid[]) LIMIT %(limit)s))
    RETURNING t.run_id, {bytes} AS row_bytes),
g AS (SELECT run_id, count(*) AS n, sum(row_bytes) AS row_bytes FROM gone GROUP BY run_id)
UPDATE runs_archive u SET n_rows = u.n_rows + g.n * {counts}, row_bytes = u.row_bytes + g.row_bytes
FROM g, a WHERE u.id = a.id AND g.run_id = a.run_id RETURNING g.n
"""
_DONE = """
UPDATE runs_archive SET stripped_at = clock_timestamp() WHERE id = ANY(%(ids)s::uuid[]) AND restored_at IS NULL
    AND stripped_at IS NULL AND (stored_at IS NOT NULL OR doomed_at IS NOT NULL) RETURNING id
"""


def strip_run(archive: Archive) -> Archive:
    """Return the archive, whose `n_rows` and `row_bytes` say what has left the database; see strip_runs."""
    return strip_runs([archive])[0]


def strip_runs(archives: Sequence[Archive]) -> list[Archive]:
    """Return the archives after the rows of their runs have left.

    It goes on where somebody broke off, and may be done by several at once.

    Locks: the archives' rows. Transaction: one of at most BATCH_ROWS rows after the other.
    """
    ids = [archive.pk for archive in archives]
    run_ids = [archive.run_id for archive in archives]
    params = {"ids": ids, "run_ids": run_ids, "limit": BATCH_ROWS, "is_alone": is_alone()}
    for sql in _statements():
        while sum(row[0] for row in query(sql, params)) == BATCH_ROWS:
            pass
    query(_DONE, {"ids": ids})
    found = Archive.objects.in_bulk(ids)
    return [found[archive_id] for archive_id in ids]


@lru_cache(maxsize=1)
def _statements() -> list[str]:
    moved = [(table(model), bytes_of(model, "t"), 1) for model in MOVED]
    return [
        _STRIP.format(table=name, bytes=row_bytes, counts=counts, unhurried=UNHURRIED)
        for name, row_bytes, counts in [*moved, *((name, "0", 0) for name in LEFT)]
    ]
