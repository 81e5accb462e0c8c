"""Count how the children of a fan-out have ended, let others begin in their place, and wake the parent once it is decided.

Every end comes here, by a hint at once and by the clock's sweep for certain. All that changes the counts happens under the
lock of the fan-out's row, so no more than `concurrency` children are ever under way; the parent's row is not touched until
the lock is gone (PROTOCOL 6, 18).
"""

from typing import Any
from uuid import UUID

from agentops.common.transactions import after_commit, transaction
from runs import broadcasts, dispatch
from runs.engine.children import Decision, decision
from runs.journal.fence import Row, execute, query
from runs.services.end_children import end_rest
from runs.services.settle_waits import settle_waits

BATCH = 200
OVERDUE_SECONDS = 2.0

_LOCK = (
    "SELECT id, team_id, total, concurrency, min_successes, n_active, n_succeeded, n_failed, looked_at IS NULL"
    " FROM runs_fanout WHERE run_id = %(run_id)s AND seq = %(seq)s AND done_at IS NULL FOR NO KEY UPDATE"
)
_CHILDREN = "parent_id = %(run_id)s AND parent_seq = %(seq)s"
_TAKE = (
    f"WITH e AS (UPDATE runs_run SET is_told = true WHERE {_CHILDREN} AND ended_at IS NOT NULL AND NOT is_told"  # noqa: S608 -- constants
    " RETURNING status, is_in_line)"
    " SELECT count(*) FILTER (WHERE NOT is_in_line), count(*) FILTER (WHERE status = 'succeeded'),"
    " count(*) FILTER (WHERE status <> 'succeeded') FROM e"
)
# Without an open fan-out they are only told. One that was just made will count them, told or not, when it first looks.
_TAKE_LATE = (
    f"UPDATE runs_run SET is_told = true WHERE {_CHILDREN} AND ended_at IS NOT NULL AND NOT is_told AND NOT EXISTS ("  # noqa: S608 -- constants
    "SELECT 1 FROM runs_fanout WHERE run_id = %(run_id)s AND seq = %(seq)s AND done_at IS NULL)"
)
# The first look counts them all: some were taken over from an earlier attempt, or ended before the row stood. One that
# ends just now is not told yet, and counted as under way.
_COUNT = (
    "SELECT count(*) FILTER (WHERE NOT is_told AND NOT is_in_line), count(*) FILTER (WHERE is_told AND status = 'succeeded'),"  # noqa: S608 -- constants
    f" count(*) FILTER (WHERE is_told AND status <> 'succeeded') FROM runs_run WHERE {_CHILDREN}"
)
_ADMIT = (
    "UPDATE runs_run SET status = 'queued', is_in_line = false, waiting_on = NULL, queued_at = clock_timestamp()"  # noqa: S608 -- constants
    f" WHERE id = ANY(ARRAY(SELECT id FROM runs_run WHERE {_CHILDREN} AND is_in_line AND status = 'waiting'"
    " ORDER BY child_n LIMIT %(room)s FOR NO KEY UPDATE SKIP LOCKED)) RETURNING queue"
)
_KEEP = (
    "UPDATE runs_fanout SET n_active = %(n_active)s, n_succeeded = %(n_succeeded)s, n_failed = %(n_failed)s,"
    " looked_at = clock_timestamp(), is_failed = %(is_failed)s,"
    " done_at = CASE WHEN %(is_done)s THEN clock_timestamp() END WHERE id = %(id)s"
)
_TO_TELL = (
    "SELECT id, run_id, seq, is_failed FROM runs_fanout WHERE done_at IS NOT NULL AND NOT is_told"
    " AND done_at < clock_timestamp() - make_interval(secs => %(seconds)s) ORDER BY done_at LIMIT %(limit)s"
)
_TELL = "UPDATE runs_fanout SET is_told = true WHERE id = %(id)s"
_TO_LOOK = (
    "SELECT run_id, seq FROM runs_fanout WHERE done_at IS NULL"
    " AND created_at < clock_timestamp() - make_interval(secs => %(seconds)s)"
    " AND (looked_at IS NULL OR n_active < concurrency AND n_active + n_succeeded + n_failed < total)"
    " ORDER BY looked_at NULLS FIRST LIMIT %(limit)s"
)


def admit_children(run_id: UUID, seq: int) -> int:
    """Take note of the children of the step that have ended, and let as many begin as there is room for.

    Returns how many may begin. The parent is woken when all have ended or too many have failed.
    Locks: the fan-out's row, then children. Transaction: opens one; others, for the parent or for what is left, after it.
    """
    place = {"run_id": run_id, "seq": seq}
    with transaction():
        row = execute(_LOCK, place)
        if row is None:
            execute(_TAKE_LATE, place)
            return 0
        ended, admitted = _settle(row, query(_TAKE, place)[0], place)
        after_commit(lambda: _poke(admitted))
    if ended is not None:
        _tell(row[0], run_id, seq, is_failed=ended == Decision.FAILED)
    else:
        broadcasts.hint(row[1], run_id)
    return len(admitted)


def settle_fanouts() -> int:
    """Look after fan-outs whose parent or whose next children were not told; the clock's part. Returns how many."""
    overdue = {"seconds": OVERDUE_SECONDS, "limit": BATCH}
    to_tell = query(_TO_TELL, overdue)
    for fanout_id, run_id, seq, is_failed in to_tell:
        _tell(fanout_id, run_id, seq, is_failed=is_failed)
    to_look = query(_TO_LOOK, overdue)
    for run_id, seq in to_look:
        admit_children(run_id, seq)
    return len(to_tell) + len(to_look)


def _settle(row: Row, taken: Row, place: dict[str, Any]) -> tuple[Decision | None, list[Row]]:
    fanout_id, _, total, concurrency, min_successes, n_active, n_succeeded, n_failed, is_fresh = row
    if is_fresh:
        n_active, n_succeeded, n_failed = query(_COUNT, place)[0]
    else:
        n_active, n_succeeded, n_failed = n_active - taken[0], n_succeeded + taken[1], n_failed + taken[2]
    ended = decision(total=total, min_successes=min_successes, n_succeeded=n_succeeded, n_failed=n_failed)
    room = concurrency - n_active if ended is None else 0
    admitted = query(_ADMIT, {**place, "room": room}) if room > 0 else []
    counts = {"n_active": n_active + len(admitted), "n_succeeded": n_succeeded, "n_failed": n_failed}
    how = {"id": fanout_id, "is_done": ended is not None, "is_failed": ended == Decision.FAILED}
    execute(_KEEP, counts | how)
    return ended, admitted


def _tell(fanout_id: UUID, run_id: UUID, seq: int, *, is_failed: bool) -> None:
    """Wake the parent of a fan-out that is decided; what is left of a failed one ends first."""
    if is_failed:
        end_rest(run_id, seq)
    settle_waits([run_id])
    execute(_TELL, {"id": fanout_id})


def _poke(admitted: list[Row]) -> None:
    for queue in {row[0] for row in admitted}:
        dispatch.poke(queue)
