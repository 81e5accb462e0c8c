"""Mark a run whose stored rows fail their check, and stop it."""

from uuid import UUID

from runs.journal.fence import execute

_FLAG = """
UPDATE runs_run SET health = array_append(array_remove(health, 'integrity_failed'), 'integrity_failed'),
    status = CASE WHEN status IN ('queued', 'sleeping', 'waiting', 'awaiting_approval', 'running') THEN 'paused' ELSE status END,
    paused_from = CASE WHEN status IN ('queued', 'sleeping', 'waiting', 'awaiting_approval') THEN status
                       WHEN status = 'running' THEN 'queued' ELSE paused_from END,
    epoch = epoch + 1, worker_id = NULL, waiting_on = jsonb_build_object(
        'kind', 'integrity_failed', 'text', %(text)s::text, 'last_good_seq', %(last_good_seq)s::bigint)
WHERE id = %(run_id)s RETURNING id
"""


def flag_integrity(*, run_id: UUID, text: str, last_good_seq: int) -> None:
    """Set the health flag `integrity_failed` and pause an open run; whoever executes it loses the lease.

    Transaction: none open; one statement.
    """
    execute(_FLAG, {"run_id": run_id, "text": text, "last_good_seq": last_good_seq})
