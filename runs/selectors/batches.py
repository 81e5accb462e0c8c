"""Reading batches: which there are, and how far each is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.engine.states import TERMINAL, RunStatus
from runs.journal.fence import query
from runs.models import Batch, Run
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.selectors.runs import runs_in_order, runs_of

FAILURES = 20

_FIGURES = """
SELECT status, count(*), sum(cost_microusd)::bigint, sum(tokens_in)::bigint, sum(tokens_out)::bigint, sum(n_steps)::bigint,
    min(created_at), max(created_at), max(ended_at)
FROM runs_run WHERE team_id = %(team_id)s AND batch_id = %(name)s GROUP BY status
"""
_COUNTS = """
SELECT b.name, r.status, count(*) FROM unnest(%(names)s::text[]) AS b(name)
    JOIN runs_run r ON r.team_id = %(team_id)s AND r.batch_id = b.name AND r.batch_id <> '' GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch in a list: how many of its runs are in each status; `now_at` is the database's time."""

    name: str
    created_by: str
    created_at: datetime
    now_at: datetime
    counts: dict[RunStatus, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def n_ended(self) -> int:
        return sum(n for status, n in self.counts.items() if status in TERMINAL)

    @property
    def n_failed(self) -> int:
        return self.n_ended - self.counts.get(RunStatus.SUCCEEDED, 0)


@dataclass(frozen=True, slots=True)
class BatchFigures(BatchRow):
    """A batch alone: also what it has cost, since when and until when, and the runs of it that did not succeed, newest first."""

    cost_microusd: int
    tokens_in: int
    tokens_out: int
    n_steps: int
    first_at: datetime | None
    last_at: datetime | None
    ended_at: datetime | None
    failures: list[Run]


def batches_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[BatchRow]:
    """Return a page of the team's batches, the one that was begun last first.

    Raises: BadQueryError
    """
    actor.require(Scope.READ)
    limit = max(1, min(limit, MAX_LIMIT))
    found = Batch.objects.filter(team_id=actor.team_id).order_by("-created_at", "-id")
    if cursor:
        at, batch_id = decode_cursor(cursor, instant, UUID)
        found = found.filter(created_at__lte=at).exclude(created_at=at, id__gte=batch_id)
    page = page_of(list(found[: limit + 1]), limit, lambda batch: (batch.created_at, batch.id))
    counts: dict[str, dict[RunStatus, int]] = {batch.name: {} for batch in page.items}
    for name, status, n in query(_COUNTS, {"team_id": actor.team_id, "names": list(counts)}):
        counts[name][RunStatus(status)] = n
    now_at = _now()
    rows = [
        BatchRow(batch.name, batch.created_by, batch.created_at, now_at, counts[batch.name])
        for batch in page.items
    ]
    return Page(rows, page.next_cursor)


def batch_for(actor: Actor, name: str) -> BatchFigures:
    """Return how far the batch is.

    Raises: NotFoundError when no run was started under that name.
    """
    actor.require(Scope.READ)
    batch = Batch.objects.filter(team_id=actor.team_id, name=name).first()
    rows = query(_FIGURES, {"team_id": actor.team_id, "name": name}) if name else []
    if batch is None and not rows:
        raise NotFoundError(f"there is no batch {name!r}")
    return BatchFigures(
        name=name,
        created_by=batch.created_by if batch else "",
        created_at=batch.created_at if batch else min(row[6] for row in rows),
        now_at=_now(),
        counts={RunStatus(row[0]): row[1] for row in rows},
        cost_microusd=_sum(rows, 2), tokens_in=_sum(rows, 3), tokens_out=_sum(rows, 4), n_steps=_sum(rows, 5),
        first_at=min((row[6] for row in rows), default=None),
        last_at=max((row[7] for row in rows), default=None),
        ended_at=_ended_at(rows),
        failures=_failures(actor, name),
    )  # fmt: skip


def _now() -> datetime:
    now: datetime = query("SELECT clock_timestamp()", {})[0][0]
    return now


def _sum(rows: list[tuple[Any, ...]], column: int) -> int:
    return sum(row[column] or 0 for row in rows)


def _ended_at(rows: list[tuple[Any, ...]]) -> datetime | None:
    """Return when the last run ended; None while one is open."""
    if not rows or any(RunStatus(row[0]) not in TERMINAL for row in rows):
        return None
    ended: datetime = max(row[8] for row in rows)
    return ended


def _failures(actor: Actor, name: str) -> list[Run]:
    found = runs_of(actor).filter(batch_id=name, status__in=["failed", "expired"]).exclude(batch_id="")
    return runs_in_order(actor, list(found.order_by("-id").values_list("id", flat=True)[:FAILURES]))
