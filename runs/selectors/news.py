"""What has happened in a run that a listener was not told yet."""

import json
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import RunStatus
from runs.journal.fence import query
from runs.models import LogLine, Run, Step
from runs.selectors.runs import run_for
from runs.selectors.told import Told

MAX_NEWS = 500
# Nobody retries these, so a write of which nobody knows whether it happened stays as it is.
_FINAL = frozenset({RunStatus.CANCELLED, RunStatus.EXPIRED})
_VERSIONS = """
SELECT r.id, md5(concat_ws('/', r.status, r.control, r.epoch, r.head_seq, r.n_steps, r.n_retries, r.progress_done,
    r.progress_total, r.progress_note, r.ended_at, s.n, s.last))
FROM runs_run r CROSS JOIN LATERAL (
    SELECT count(*) AS n, max(seq) AS last FROM runs_step
    WHERE run_id = r.id AND seq > r.head_seq AND ended_at IS NOT NULL) s
WHERE r.id = ANY(%(ids)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class News:
    """Steps that have ended and log lines, each in the order of their numbers; `is_all` when nothing was left out."""

    run: Run
    steps: list[Step]
    lines: list[LogLine]
    is_all: bool


def news_for(actor: Actor, run_id: UUID, told: Told, *, limit: int = MAX_NEWS) -> News:
    """Return what was not told yet, at most about `limit` steps and lines each.

    The run is read first: when it has ended, whatever belongs to it can be read after that. A step is only given
    when all its lines are given or were told.

    Raises: NotFoundError
    """
    run = run_for(actor, run_id)
    steps, lines = _steps(actor, run, told, limit + 1), _lines(actor, run, told, limit + 1)
    is_all = len(steps) <= limit and len(lines) <= limit
    if len(steps) > limit:
        last = steps[limit - 1].seq
        steps, lines = steps[:limit], [line for line in lines if line.seq <= last]
    if len(lines) > limit:
        first_left_out = lines[limit].seq
        steps, lines = [step for step in steps if step.seq < first_left_out], lines[:limit]
    return News(run, steps, lines, is_all)


def _steps(actor: Actor, run: Run, told: Told, limit: int) -> list[Step]:
    open_statuses = {"running"} if RunStatus(run.status) in _FINAL else {"running", "unknown"}
    found = Step.objects.filter(
        team_id=actor.team_id, run_id=run.pk, seq__gt=told.floor, ended_at__isnull=False
    )
    found = found.exclude(status__in=open_statuses)
    found = found.extra(
        where=["NOT (seq <@ %s::int8multirange) OR (seq = %s AND node_attempt > %s)"],
        params=[told.multirange(), *(told.failed or (0, 0))],
    )
    return list(found.order_by("seq")[:limit])


def _lines(actor: Actor, run: Run, told: Told, limit: int) -> list[LogLine]:
    failed_seq = told.failed[0] if told.failed else 0
    found = LogLine.objects.filter(team_id=actor.team_id, run_id=run.pk, seq__gt=told.floor)
    found = found.extra(
        where=[
            "(NOT (seq <@ %s::int8multirange) OR seq = %s) AND n > coalesce((%s::jsonb ->> seq::text)::bigint, 0)"
        ],
        params=[told.multirange(), failed_seq, json.dumps(told.lines)],
    )
    return list(found.order_by("seq", "n")[:limit])


def versions_of(run_ids: list[UUID]) -> dict[UUID, str]:
    """Return a mark for each run that changes when there may be news; it tells nothing else, so no actor is asked."""
    return dict(query(_VERSIONS, {"ids": run_ids})) if run_ids else {}
