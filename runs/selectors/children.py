"""Reading the family of a run: its parent and root, and its children."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from runs.engine.states import TERMINAL, RunStatus
from runs.journal.fence import query
from runs.models import Run
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of
from runs.selectors.runs import run_for, runs_in_order, runs_of

_COUNTS = (
    "SELECT parent_seq, status, count(*), sum(cost_microusd)::bigint, min(id::text)::uuid FROM runs_run"
    " WHERE parent_id = %(run_id)s AND team_id = %(team_id)s GROUP BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """How many children are in each status, and what they have cost; `any_id` is one of them."""

    counts: dict[RunStatus, int]
    cost_microusd: int = 0
    any_id: UUID | None = None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def n_ended(self) -> int:
        return sum(n for status, n in self.counts.items() if status in TERMINAL)

    @property
    def n_failed(self) -> int:
        """How many have ended without success."""
        return self.n_ended - self.counts.get(RunStatus.SUCCEEDED, 0)


def children_for(
    actor: Actor,
    run_id: UUID,
    *,
    statuses: Collection[str] = (),
    seq: int | None = None,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[Run]:
    """Return a page of the children of a run in the order in which they were started, as run_list_for gives them.

    Args:
        actor: whose team's runs.
        run_id: the parent.
        statuses: any of these; all when empty.
        seq: only those that this step started.
        cursor: `next_cursor` of the page before.
        limit: how many at most; cut to MAX_LIMIT.

    Raises: NotFoundError for the parent; BadQueryError for a cursor that is none.
    """
    run_for(actor, run_id, also_archived=True)
    limit = max(1, min(limit, MAX_LIMIT))
    found = runs_of(actor).filter(parent_id=run_id).order_by("id")
    found = found.filter(status__in=statuses) if statuses else found
    found = found if seq is None else found.filter(parent_seq=seq)
    found = found.filter(id__gt=decode_cursor(cursor, UUID)[0]) if cursor else found
    page = page_of(list(found.values_list("id", flat=True)[: limit + 1]), limit, lambda child_id: (child_id,))
    return Page(runs_in_order(actor, page.items), page.next_cursor)


def child_counts_for(actor: Actor, run_id: UUID) -> dict[int, ChildCounts]:
    """Return how far the children are that each step of the run started, by its `seq`; empty when there are none.

    Raises: NotAllowedError
    """
    actor.require(Scope.READ)
    found: dict[int, ChildCounts] = {}
    for seq, status, n, cost, child_id in query(_COUNTS, {"run_id": run_id, "team_id": actor.team_id}):
        so_far = found.get(seq, ChildCounts({}))
        counts = {**so_far.counts, RunStatus(status): n}
        found[seq] = ChildCounts(counts, so_far.cost_microusd + cost, child_id)
    return found


def all_children(counts: Iterable[ChildCounts]) -> ChildCounts:
    """Return the counts of several steps together."""
    total, cost = dict.fromkeys(RunStatus, 0), 0
    for found in counts:
        cost += found.cost_microusd
        for status, n in found.counts.items():
            total[status] += n
    return ChildCounts({status: n for status, n in total.items() if n}, cost)


def ancestors_for(actor: Actor, run: Run) -> list[Run]:
    """Return the root and the parent of a run, the root first; only one when they are the same, none for a root."""
    ids = [run.root_id] if run.root_id != run.id else []
    ids += [run.parent_id] if run.parent_id and run.parent_id not in ids else []
    return runs_in_order(actor, ids)
