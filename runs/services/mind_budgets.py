"""What the clock does for budgets: settle what dead workers reserved, and let runs go on whose next period has begun."""

from collections.abc import Sequence
from uuid import UUID

from runs import broadcasts, dispatch
from runs.journal.fence import query
from runs.journal.purses import settle_lost

MINDED_EVERY_TICKS = 20

_GO_ON = """
UPDATE runs_run SET status = 'queued', paused_from = '', waiting_on = NULL, queued_at = clock_timestamp(),
    health = array_remove(health, 'over_budget')
WHERE status = 'paused' AND ended_at IS NULL AND waiting_on ->> 'kind' = 'budget' AND NOT 'integrity_failed' = ANY(health)
"""
_RENEWED = (
    f"{_GO_ON} AND (waiting_on ->> 'until')::timestamptz <= clock_timestamp() RETURNING id, team_id, queue"
)
_OF_PURSE = f"{_GO_ON} AND team_id = %(team_id)s AND waiting_on ->> 'purse' = ANY(%(purses)s::text[]) RETURNING id, team_id, queue"


def mind_budgets() -> None:
    """Settle lost reservations as spent, and resume runs that a budget of a past day or month has paused."""
    settle_lost()
    _tell(query(_RENEWED, {}))


def resume_paused_by(team_id: UUID, purse_ids: Sequence[str]) -> int:
    """Let the runs go on that are paused for one of these purses; return how many."""
    rows = query(_OF_PURSE, {"team_id": team_id, "purses": list(purse_ids)})
    _tell(rows)
    return len(rows)


def _tell(rows: list[tuple[UUID, UUID, str]] | list[tuple[object, ...]]) -> None:
    for queue in {str(row[2]) for row in rows}:
        dispatch.poke(queue)
    for run_id, team_id, _ in rows:
        broadcasts.hint(team_id, run_id)  # type: ignore[arg-type]  # uuids as selected
