"""Stop a bulk job: what is done stays done, the rest is left alone."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.journal.fence import execute
from runs.models import BulkJob
from runs.selectors.bulk import job_for

_STOP = """
UPDATE runs_bulkjob SET state = 'stopped', ended_at = clock_timestamp(), lease = NULL,
    problem = left('stopped by ' || %(actor)s, 500)
WHERE id = %(job_id)s AND team_id = %(team_id)s AND state = 'working' RETURNING id
"""


def stop_bulk(*, actor: Actor, job_id: UUID) -> BulkJob:
    """Return the job, stopped before its next run, or as it ended before.

    Raises: NotFoundError, NotAllowedError.
    Locks: the job's row. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    with transaction():
        if execute(_STOP, {"job_id": job_id, "team_id": actor.team_id, "actor": actor.name}):
            record(actor=actor, action="bulk.stop", subject=f"bulk:{job_id}")
    return job_for(actor, job_id)
