"""Measure how many bytes the rows of runs take, so that nobody has to wait for it when it is asked."""

from functools import lru_cache
from uuid import UUID

from django.db.models import Model

from runs.archives.tables import bytes_of, table
from runs.journal.fence import query
from runs.models import (
    Attempt,
    Branch,
    Checkpoint,
    Cut,
    Fanout,
    FileUse,
    Intent,
    LogLine,
    Outcome,
    Reuse,
    Signal,
    Step,
    Wait,
)

LOOKED_AT, MEASURED = 2000, 100
PARTS: dict[str, tuple[type[Model], ...]] = {
    "step_bytes": (Step, Attempt),
    "outcome_bytes": (Outcome, Intent),
    "checkpoint_bytes": (Checkpoint, Branch, Reuse, Cut),
    "other_bytes": (LogLine, Wait, Signal, Fanout, FileUse),
}

_NEXT = """
SELECT id, is_stale FROM (
    SELECT r.id, r.ended_at IS NOT NULL AND r.archived_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM runs_runsize s WHERE s.run_id = r.id AND s.ended_at = r.ended_at) AS is_stale
    FROM runs_run r WHERE r.id > %(after)s ORDER BY r.id LIMIT %(limit)s) q ORDER BY id
"""


def measure_next(after: UUID) -> UUID | None:
    """Measure some of the ended runs behind `after` that were not measured since; return the last one that was looked at.

    None when there are no more. Transaction: none open; one statement that writes.
    """
    found = query(_NEXT, {"after": after, "limit": LOOKED_AT})
    stale = [run_id for run_id, is_stale in found if is_stale]
    measure_runs(stale[:MEASURED])
    if len(stale) > MEASURED:
        last: UUID = stale[MEASURED - 1]
        return last
    return found[-1][0] if len(found) == LOOKED_AT else None


def measure_runs(run_ids: list[UUID]) -> int:
    """Measure these runs; return how many there were. Transaction: none open; one statement."""
    return len(query(_measure(), {"run_ids": run_ids})) if run_ids else 0


@lru_cache(maxsize=1)
def _measure() -> str:
    models = [model for part in PARTS.values() for model in part]
    joins = " ".join(
        f"CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum({bytes_of(model, 't')}), 0) AS b"  # noqa: S608 -- constants
        f" FROM {table(model)} t WHERE t.run_id = r.id) {table(model)}"
        for model in models
    )
    sums = ", ".join(
        "(" + " + ".join(f"{table(model)}.b" for model in part) + ")::bigint" for part in PARTS.values()
    )
    names = ", ".join(PARTS)
    return (
        f"INSERT INTO runs_runsize (run_id, team_id, ended_at, n_rows, {names}, measured_at)"  # noqa: S608 -- constants
        f" SELECT r.id, r.team_id, r.ended_at, {' + '.join(f'{table(model)}.n' for model in models)}, {sums}, clock_timestamp()"
        f" FROM runs_run r {joins} WHERE r.id = ANY(%(run_ids)s::uuid[]) AND r.archived_at IS NULL"
        " ON CONFLICT (run_id) DO UPDATE SET ended_at = excluded.ended_at, n_rows = excluded.n_rows,"
        f" {', '.join(f'{name} = excluded.{name}' for name in PARTS)}, measured_at = excluded.measured_at RETURNING run_id"
    )
