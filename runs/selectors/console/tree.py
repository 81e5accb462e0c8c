"""The execution tree in few queries, whatever its length: totals, idle gaps, segments, rows.

A *segment* is a stretch of neighbouring siblings that do the same thing over and over: the same name again and
again, or a loop of up to four names. Two neighbours belong to different segments when the second one's name was
not seen in the four before it and the first one's name is not seen in the four behind it; also when only one of
them was superseded, or they are of different branches. PostgreSQL finds the segments, with one sort for all its
windows, among the WINDOW siblings behind a cursor; only what a page shows is read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from agentops.accounts.roles import Actor
from runs.models import Run, Step

FEW = 5
# How many siblings one read looks at: what folds further goes on in the next.
WINDOW = 4000
# How far behind a node's seq those of its actions may lie: what conf().node_max_actions allows, and retried ones.
_REACH = 4000
_END = 1 << 62


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of siblings. `first` to `last` are seqs, `n` how many rows, `shown` the seqs of the first few.

    `position` is the place of its first row among its siblings, from 1.
    """

    parent_seq: int
    first: int
    last: int
    n: int
    position: int
    names: list[str]
    shown: list[int]
    n_failed: int
    n_retried: int
    failed: list[int]
    starts_at: datetime
    ends_at: datetime | None
    median_seconds: float | None
    cost_microusd: int

    @property
    def is_folded(self) -> bool:
        return self.n > FEW


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong inside the nodes of a stretch: how many nodes, and the first few of them."""

    n_failed: int
    n_retried: int
    failed: list[int]


_SEGMENTS = """
    WITH homes AS (
      SELECT home, CASE WHEN home = 0 THEN NULL ELSE (
               SELECT seq FROM runs_step WHERE run_id = %(run_id)s AND depth = 0 AND seq > home ORDER BY seq LIMIT 1) END AS upto
        FROM (SELECT DISTINCT unnest(%(parents)s::bigint[]) AS home) AS parents
    ), named AS (
      SELECT s.*, row_number() OVER siblings AS position,
             is_superseded IS DISTINCT FROM lag(is_superseded) OVER siblings OR branch <> lag(branch) OVER siblings
             OR NOT coalesce(name IN (lag(name) OVER siblings, lag(name, 2) OVER siblings, lag(name, 3) OVER siblings,
                                      lag(name, 4) OVER siblings)
                OR lag(name) OVER siblings IN (name, lead(name) OVER siblings, lead(name, 2) OVER siblings,
                                               lead(name, 3) OVER siblings), false) AS is_first
        FROM homes CROSS JOIN LATERAL (
          SELECT seq, parent_seq, name, status, attempts, started_at, ended_at, cost_microusd, is_superseded, branch
            FROM runs_step
           WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND parent_seq = home
             AND seq > greatest(%(after)s::bigint, home) AND seq < coalesce(upto, %(end)s::bigint)
           ORDER BY seq LIMIT %(window)s::bigint) AS s
      WINDOW siblings AS (PARTITION BY parent_seq ORDER BY seq)
    ), placed AS (
      SELECT *, max(position) FILTER (WHERE is_first) OVER (PARTITION BY parent_seq ORDER BY seq) AS begins
        FROM named
    )
    SELECT parent_seq, min(seq), max(seq), count(*), begins,
           array_agg(name ORDER BY seq) FILTER (WHERE position < begins + 8),
           array_agg(seq ORDER BY seq) FILTER (WHERE position < begins + %(few)s::bigint),
           count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE attempts > 1),
           coalesce((array_agg(seq ORDER BY seq) FILTER (WHERE status = 'failed'))[1:%(few)s::int], '{}'),
           min(started_at), max(ended_at),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)), sum(cost_microusd)::bigint
      FROM placed GROUP BY parent_seq, begins
     ORDER BY min(seq) LIMIT %(limit)s
"""

_TROUBLE = """
    SELECT stretch.first, count(DISTINCT step.parent_seq) FILTER (WHERE step.status = 'failed' AND NOT step.is_superseded),
           count(DISTINCT step.parent_seq) FILTER (WHERE step.attempts > 1 OR step.is_superseded),
           coalesce((array_agg(DISTINCT step.parent_seq) FILTER (WHERE step.status = 'failed' AND NOT step.is_superseded))[1:%(few)s::int], '{}')
      FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) AS stretch(first, last)
      JOIN runs_step AS step ON step.run_id = %(run_id)s AND step.team_id = %(team_id)s
       AND step.seq BETWEEN stretch.first AND stretch.last + %(reach)s::bigint
       AND step.parent_seq BETWEEN stretch.first AND stretch.last
     WHERE step.depth > 0 AND (step.status = 'failed' OR step.attempts > 1 OR step.is_superseded)
     GROUP BY stretch.first
"""

_INSIDES = """
    SELECT parent_seq, count(*), count(*) FILTER (WHERE status = 'failed' AND NOT is_superseded), max(attempts)
      FROM runs_step
     WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND seq BETWEEN %(first)s::bigint AND %(last)s::bigint
       AND parent_seq = ANY(%(nodes)s::bigint[])
     GROUP BY parent_seq
"""


def segments_of(
    actor: Actor, run: Run, parents: Collection[int], *, after: int = 0, limit: int = 200
) -> list[Segment]:
    """Return the segments of the children of `parents` (0: the nodes) behind the step `after`, in tree order.

    Of each parent, WINDOW children are looked at.
    """
    if not parents:
        return []
    rows = _rows(
        _SEGMENTS,
        actor,
        run,
        parents=list(parents),
        after=after,
        few=FEW,
        limit=limit,
        window=WINDOW,
        end=_END,
    )
    return [Segment(*row) for row in rows]


def troubles_of(actor: Actor, run: Run, segments: Sequence[Segment]) -> dict[int, Trouble]:
    """Return, by the segment's first seq, what went wrong inside the nodes of these segments."""
    if not segments:
        return {}
    stretches = {"firsts": [s.first for s in segments], "lasts": [s.last for s in segments]}
    rows = _rows(_TROUBLE, actor, run, **stretches, few=FEW, reach=_REACH)
    return {
        first: Trouble(n_failed, n_retried, sorted(failed)) for first, n_failed, n_retried, failed in rows
    }


def steps_by_seq(actor: Actor, run: Run, seqs: Collection[int]) -> dict[int, Step]:
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, seq__in=list(seqs))
    return {step.seq: step for step in found}


@dataclass(frozen=True, slots=True)
class Inside:
    """What a node has inside: how many actions, failed ones, and the most attempts one of them took."""

    n: int
    n_failed: int
    max_attempts: int


def insides_of(actor: Actor, run: Run, nodes: Collection[int]) -> dict[int, Inside]:
    """Return what the nodes have inside; those without actions are left out."""
    if not nodes:
        return {}
    rows = _rows(_INSIDES, actor, run, nodes=list(nodes), first=min(nodes), last=max(nodes) + _REACH)
    return {seq: Inside(*numbers) for seq, *numbers in rows}


def some_nodes_before(actor: Actor, run: Run, seq: int, n: int) -> int:
    """Return the seq of the node `n` + 1 before the step `seq`; 0 when there are no more than `n`."""
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, depth=0, seq__lt=seq).order_by("-seq")
    return next(iter(found.values_list("seq", flat=True)[n : n + 1]), 0)


def steps_between(
    actor: Actor, run: Run, *, parent_seq: int, first: int, last: int, limit: int
) -> list[Step]:
    """Return the children of `parent_seq` from `first` to `last`, at most `limit` of them."""
    found = Step.objects.filter(
        team_id=actor.team_id, run_id=run.pk, parent_seq=parent_seq, seq__gte=first, seq__lte=last
    )
    return list(found.order_by("seq")[:limit])


def error_beside(actor: Actor, run: Run, seq: int, *, forward: bool) -> int | None:
    """Return the nearest failed step behind (or before) `seq`."""
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, status="failed", is_superseded=False)
    found = (
        found.filter(seq__gt=seq).order_by("seq") if forward else found.filter(seq__lt=seq).order_by("-seq")
    )
    return found.values_list("seq", flat=True).first()


def _rows(sql: str, actor: Actor, run: Run, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"run_id": run.pk, "team_id": actor.team_id, **params})
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
