"""Begin to archive, delete and prune what is due: each night by the clock, or by day because an admin says so."""

from uuid import UUID

from django.db import IntegrityError as DuplicateError

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.conf import conf
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.journal.fence import execute, query
from runs.models import RetentionJob
from runs.selectors.retention import due_sums, job_for, rules_of

NIGHT_HOURS = 4
BY_CLOCK = "the clock"

# What was changed since the night began counts from the next one: nobody's slip of the pen is carried out at once.
_NIGHTS = """
INSERT INTO runs_retentionjob (id, team_id, night, created_by, state, problem, phase, expected_runs, expected_bytes, n_archived,
    n_deleted, n_pruned, n_kept, n_failed, freed_bytes, file_bytes)
SELECT gen_random_uuid(), p.team_id, n.night, %(by)s, 'working', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS night, clock_timestamp() AT TIME ZONE 'UTC' AS now) n,
    (SELECT team_id, max(updated_at) AT TIME ZONE 'UTC' AS changed_at FROM runs_retentionpolicy
     GROUP BY team_id HAVING bool_or(is_on)) p
WHERE n.now >= n.night + %(hour)s * interval '1 hour'
    AND n.now < n.night + (%(hour)s + %(hours)s) * interval '1 hour'
    AND p.changed_at < n.night + %(hour)s * interval '1 hour'
ON CONFLICT DO NOTHING RETURNING id
"""
_STOP = """
UPDATE runs_retentionjob SET state = 'stopped', ended_at = clock_timestamp(), lease = NULL,
    problem = left('stopped by ' || %(actor)s, 500)
WHERE id = %(job_id)s AND team_id = %(team_id)s AND state = 'working' RETURNING id
"""


def begin_nights() -> int:
    """Begin the night's work of each team that has a policy, once a night; return how many began. Transaction: one statement."""
    params = {"by": BY_CLOCK, "hour": conf().retention_hour_utc, "hours": NIGHT_HOURS}
    return len(query(_NIGHTS, params))


def begin_retention(*, actor: Actor) -> RetentionJob:
    """Return the work that does now what the preview tells.

    Raises: NotAllowedError; ConflictError while another one is at it. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    due = due_sums(actor.team_id, rules_of(actor.team_id))
    job = RetentionJob(
        team_id=actor.team_id, created_by=actor.name[:200], expected_runs=sum(one.n_runs for one in due),
        expected_bytes=sum(one.row_bytes for one in due),
    )  # fmt: skip
    try:
        with transaction():
            job.save(force_insert=True)
            told: JsonObject = {"runs": job.expected_runs, "row_bytes": job.expected_bytes}
            record(actor=actor, action="retention.begin", subject=f"retention-job:{job.pk}", detail=told)
    except DuplicateError as error:
        raise ConflictError("retention is at work in this team already; wait for it, or stop it") from error
    return job_for(actor, job.pk)


def stop_retention(*, actor: Actor, job_id: UUID) -> RetentionJob:
    """Return the work, stopped before its next run, or as it ended before.

    Raises: NotAllowedError, NotFoundError. Locks: the job's row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        if execute(_STOP, {"job_id": job_id, "team_id": actor.team_id, "actor": actor.name}):
            record(actor=actor, action="retention.stop", subject=f"retention-job:{job_id}")
    return job_for(actor, job_id)
