"""Numbers of a whole run, its idle times, and how many steps began when: whatever its length, at about the same cost.

What stands before the node that runs now does not change any more. It is summed up once a process and kept; each page
reads only what has come since.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import connection

from agentops.accounts.roles import Actor
from runs.models import Run, Step

MAX_GAPS = 300
# Shorter runs are read whole each time; longer ones when so much has come since they were summed up.
KEPT_STEPS = 8192
KEPT_RUNS = 128
MARK_STEPS = 32


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of a whole run. `has_node` says whether the row of the run's current node stands already."""

    n_steps: int
    n_nodes: int
    n_failed: int
    n_retried: int
    began_at: datetime | None
    last_at: datetime | None
    first_failed: int | None
    last_seq: int
    has_node: bool
    n_children_of_node: int
    cost_microusd: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Time in which nothing ran: a wait (`kind` `wait`, `seq` is its step) or between nodes (behind node `seq`)."""

    seq: int
    kind: str
    starts_at: datetime
    ends_at: datetime

    @property
    def seconds(self) -> float:
        return (self.ends_at - self.starts_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Mark:
    """A few neighbouring steps: how many, nodes among them and failed ones, and when the first began."""

    began_at: datetime
    n_nodes: int
    n_begun: int
    n_failed: int


@dataclass(frozen=True, slots=True)
class Sum:
    """What stands up to the step `upto` and stays as it is; `last_node` is the last node in it."""

    upto: int
    last_node: int
    totals: Totals
    gaps: list[Gap]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class Overview:
    """Totals and gaps of a whole run, and the part of it that is summed up."""

    totals: Totals
    gaps: list[Gap]
    kept: Sum


_TOTALS = """
    SELECT count(*), count(*) FILTER (WHERE depth = 0),
           count(*) FILTER (WHERE status = 'failed' AND NOT is_superseded),
           count(*) FILTER (WHERE attempts > 1 OR is_superseded), min(started_at),
           max(greatest(started_at, ended_at)),
           min(seq) FILTER (WHERE status = 'failed' AND NOT is_superseded), coalesce(max(seq), 0),
           coalesce(bool_or(seq = %(node_seq)s), false), count(*) FILTER (WHERE parent_seq = %(node_seq)s),
           coalesce(sum(cost_microusd), 0)::bigint
      FROM runs_step WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND seq > %(after)s AND seq <= %(upto)s
"""

_GAPS = """
    WITH nodes AS (
      SELECT seq, ended_at, lead(started_at) OVER (ORDER BY seq) AS next_at FROM (
        SELECT seq, started_at, ended_at FROM runs_step
         WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND seq = %(last_node)s
         UNION ALL
        SELECT seq, started_at, ended_at FROM runs_step
         WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND depth = 0 AND seq > %(after)s AND seq <= %(upto)s
      ) AS found
    ), gaps AS (
      SELECT seq, 'gap' AS kind, ended_at AS starts_at, coalesce(next_at, %(node_at)s::timestamptz) AS ends_at FROM nodes
       UNION ALL
      SELECT seq, 'wait', started_at, coalesce(ended_at, clock_timestamp()) FROM runs_step
       WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND kind = 'wait' AND NOT is_superseded
         AND seq > %(after)s AND seq <= %(upto)s
    )
    SELECT seq, kind, starts_at, ends_at FROM gaps WHERE ends_at > starts_at + interval '1 s'
     ORDER BY ends_at - starts_at DESC LIMIT %(limit)s
"""

_MARKS = """
    SELECT min(started_at), count(*) FILTER (WHERE depth = 0), count(*) FILTER (WHERE kind <> 'wait'),
           count(*) FILTER (WHERE kind <> 'wait' AND status = 'failed' AND NOT is_superseded),
           max(seq) FILTER (WHERE depth = 0)
      FROM runs_step WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND seq > %(after)s AND seq <= %(upto)s
     GROUP BY (seq - 1) / %(size)s ORDER BY (seq - 1) / %(size)s
"""

_BUCKETS = """
    SELECT width_bucket(started_at, %(bounds)s::timestamptz[]) AS bucket, count(*),
           count(*) FILTER (WHERE status = 'failed' AND NOT is_superseded)
      FROM runs_step WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND kind <> 'wait' AND seq > %(after)s
     GROUP BY bucket ORDER BY bucket
"""

_END = 1 << 62
_NOTHING = Totals(0, 0, 0, 0, None, None, None, 0, has_node=False, n_children_of_node=0, cost_microusd=0)
_BLANK = Sum(0, 0, _NOTHING, [], [])
_kept: dict[tuple[UUID, int], Sum] = {}
_lock = Lock()


def overview_of(actor: Actor, run: Run) -> Overview:
    """Return the totals of a run and its longest idle times, longest first."""
    kept = _kept_of(actor, run)
    totals = _joined(kept.totals, _totals(actor, run, kept.upto, _END))
    gaps = [*kept.gaps, *_gaps(actor, run, kept, _END, run.node_at)]
    gaps.sort(key=lambda gap: gap.starts_at - gap.ends_at)
    return Overview(totals, gaps[:MAX_GAPS], kept)


def buckets_of(actor: Actor, run: Run, bounds: Sequence[datetime], kept: Sum) -> list[tuple[int, int, int]]:
    """Return (bucket, steps begun in it, failed ones) for the times between `bounds`; empty buckets are left out."""
    found: dict[int, tuple[int, int]] = {}
    told = [(bisect_right(bounds, mark.began_at), mark.n_begun, mark.n_failed) for mark in kept.marks]
    told += _rows(_BUCKETS, actor, run, bounds=list(bounds), after=kept.upto)
    for bucket, n_begun, n_failed in told:
        before = found.get(bucket, (0, 0))
        found[bucket] = (before[0] + n_begun, before[1] + n_failed)
    return [(bucket, *numbers) for bucket, numbers in sorted(found.items())]


def nodes_before(actor: Actor, run: Run, seq: int) -> int:
    """Return how many nodes stand before the step `seq`."""
    kept = _kept_of(actor, run)
    whole = min(seq - 1, kept.upto) // MARK_STEPS if seq else 0
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, depth=0, seq__lt=seq)
    return sum(mark.n_nodes for mark in kept.marks[:whole]) + found.filter(seq__gt=whole * MARK_STEPS).count()


def _kept_of(actor: Actor, run: Run) -> Sum:
    """Return the part of a run that is summed up, after adding to it when much has come since."""
    key = (run.pk, run.branch)
    kept = _kept.get(key, _BLANK)
    upto = (run.node_seq - 1) // MARK_STEPS * MARK_STEPS
    if upto - kept.upto < KEPT_STEPS:
        return kept
    more = _summed(actor, run, kept, upto)
    with _lock:
        _kept.pop(key, None)
        _kept[key] = more
        while len(_kept) > KEPT_RUNS:
            del _kept[next(iter(_kept))]
    return more


def _summed(actor: Actor, run: Run, kept: Sum, upto: int) -> Sum:
    totals = _joined(kept.totals, _totals(actor, run, kept.upto, upto))
    gaps = sorted(
        [*kept.gaps, *_gaps(actor, run, kept, upto, None)], key=lambda gap: gap.starts_at - gap.ends_at
    )
    rows = _rows(_MARKS, actor, run, after=kept.upto, upto=upto, size=MARK_STEPS)
    last_node = max((row[4] for row in rows if row[4]), default=kept.last_node)
    return Sum(upto, last_node, totals, gaps[:MAX_GAPS], [*kept.marks, *(Mark(*row[:4]) for row in rows)])


def _totals(actor: Actor, run: Run, after: int, upto: int) -> Totals:
    [row] = _rows(_TOTALS, actor, run, node_seq=run.node_seq, after=after, upto=upto)
    return Totals(*row)


def _gaps(actor: Actor, run: Run, kept: Sum, upto: int, node_at: datetime | None) -> list[Gap]:
    place = {"last_node": kept.last_node, "after": kept.upto, "upto": upto}
    return [Gap(*row) for row in _rows(_GAPS, actor, run, node_at=node_at, limit=MAX_GAPS, **place)]


def _joined(first: Totals, then: Totals) -> Totals:
    if not first.n_steps:
        return then
    return Totals(
        n_steps=first.n_steps + then.n_steps, n_nodes=first.n_nodes + then.n_nodes, n_failed=first.n_failed + then.n_failed,
        n_retried=first.n_retried + then.n_retried, began_at=first.began_at,
        last_at=max(at for at in (first.last_at, then.last_at) if at) if first.last_at or then.last_at else None,
        first_failed=first.first_failed or then.first_failed, last_seq=then.last_seq or first.last_seq,
        has_node=then.has_node, n_children_of_node=then.n_children_of_node,
        cost_microusd=first.cost_microusd + then.cost_microusd,
    )  # fmt: skip


def _rows(sql: str, actor: Actor, run: Run, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"run_id": run.pk, "team_id": actor.team_id, **params})
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
