"""Which runs the watch looks at next: those that are executed, those that are stuck, and the other open ones in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from agentops.accounts.models import Team
from runs.journal.fence import query

BATCH = 300
FAILED_SECONDS = 300
# A paused run does nothing that could be watched.
STATUSES = ("queued", "sleeping", "waiting", "awaiting_approval")
NO_ID = UUID(int=0)

_RUNNING = """
SELECT id FROM runs_run WHERE worker_id IS NOT NULL AND id > %(behind)s ORDER BY id LIMIT %(limit)s
"""
_STUCK = """
SELECT id, run_id FROM runs_stuckstate WHERE to_at IS NULL AND id > %(behind)s ORDER BY id LIMIT %(limit)s
"""
_OPEN = """
SELECT created_at, id FROM runs_run WHERE team_id = %(team_id)s AND status = %(status)s
    AND (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s) ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
# Those that failed before anybody could look at them.
_FAILED = """
SELECT id FROM runs_run WHERE ended_at > clock_timestamp() - make_interval(secs => %(seconds)s) AND status = 'failed'
ORDER BY ended_at DESC LIMIT %(limit)s
"""
_BEGINNING: tuple[datetime | None, UUID] = (None, UUID(int=(1 << 128) - 1))


@dataclass(slots=True)
class Rounds:
    """Where a clock has come to in each list; every clock goes its own way, for looking twice does no harm."""

    running: UUID = NO_ID
    stuck: UUID = NO_ID
    left: list[tuple[UUID, str]] = field(default_factory=list)
    place: tuple[datetime | None, UUID] = _BEGINNING
    failed: set[UUID] = field(default_factory=set)

    def next_ids(self) -> list[UUID]:
        """Return at most four times BATCH runs."""
        return list(dict.fromkeys([*self._running(), *self._stuck(), *self._open(), *self._failed()]))

    def _running(self) -> list[UUID]:
        rows = query(_RUNNING, {"behind": self.running, "limit": BATCH})
        self.running = rows[-1][0] if len(rows) == BATCH else NO_ID
        return [row[0] for row in rows]

    def _stuck(self) -> list[UUID]:
        rows = query(_STUCK, {"behind": self.stuck, "limit": BATCH})
        self.stuck = rows[-1][0] if len(rows) == BATCH else NO_ID
        return [row[1] for row in rows]

    def _open(self) -> Sequence[UUID]:
        """Return the next open runs; each list of a team and a status is walked from its newest run on."""
        found: list[UUID] = []
        if not self.left:
            teams = Team.objects.order_by("id").values_list("id", flat=True)
            self.left = [(team_id, status) for team_id in teams for status in STATUSES]
        while self.left and len(found) < BATCH:
            rows = self._stretch(*self.left[0], limit=BATCH - len(found))
            found += [row[1] for row in rows]
            if len(found) < BATCH:
                self.left.pop(0)
                self.place = _BEGINNING
            else:
                self.place = rows[-1]
        return found

    def _stretch(self, team_id: UUID, status: str, *, limit: int) -> list[tuple[datetime, UUID]]:
        before_at = self.place[0].isoformat() if self.place[0] else "infinity"
        params = {
            "team_id": team_id,
            "status": status,
            "before_at": before_at,
            "before_id": self.place[1],
            "limit": limit,
        }
        return [(row[0], row[1]) for row in query(_OPEN, params)]

    def _failed(self) -> list[UUID]:
        rows = query(_FAILED, {"seconds": FAILED_SECONDS, "limit": BATCH})
        known, self.failed = self.failed, {row[0] for row in rows}
        return sorted(self.failed - known)
