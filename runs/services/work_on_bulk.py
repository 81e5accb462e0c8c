"""Work on a bulk job for a moment: the clock's part in doing something to many runs."""

import logging
import time
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from agentops.accounts.models import User
from agentops.accounts.roles import Actor, Scope
from agentops.accounts.selectors import actor_of_user
from agentops.common.errors import BadQueryError, ConflictError, NotFoundError
from agentops.common.ids import new_id
from agentops.common.transactions import transaction
from runs.journal.fence import execute
from runs.models import BulkJob
from runs.selectors.run_query import run_query
from runs.selectors.walk import Walked, walk
from runs.services.bulk_verbs import BULK_VERBS

BATCH_RUNS = 100
BATCH_SECONDS = 0.2
LEASE_SECONDS = 30.0
MAX_PROBLEM_CHARACTERS = 500
LAST_ID = UUID(int=(1 << 128) - 1)

logger = logging.getLogger(__name__)

_TAKE = """
UPDATE runs_bulkjob SET lease = %(lease)s, due_at = clock_timestamp() + %(seconds)s * interval '1 second' WHERE id = (
    SELECT id FROM runs_bulkjob WHERE state = 'working' AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_LEAVE = """
UPDATE runs_bulkjob SET lease = NULL, due_at = clock_timestamp(), walked_at = %(walked_at)s, walked_id = %(walked_id)s,
    state = CASE WHEN %(is_done)s THEN 'done' ELSE state END,
    ended_at = CASE WHEN %(is_done)s THEN clock_timestamp() ELSE ended_at END
WHERE id = %(id)s AND lease = %(lease)s AND state = 'working' RETURNING id
"""
_FAIL = """
UPDATE runs_bulkjob SET state = 'failed', problem = %(problem)s, ended_at = clock_timestamp(), lease = NULL
WHERE id = %(id)s AND lease = %(lease)s AND state = 'working' RETURNING id
"""
# Under the job's own row: two that hold a lease of it, one of them without knowing that it ended, take turns.
_BEGIN = """
WITH job AS (SELECT id FROM runs_bulkjob WHERE id = %(id)s AND lease = %(lease)s AND state = 'working' FOR UPDATE)
INSERT INTO runs_bulkresult (job_id, run_id, problem, at) SELECT id, %(run_id)s, '', clock_timestamp() FROM job
ON CONFLICT DO NOTHING RETURNING job_id
"""
_COUNT = """
WITH told AS (UPDATE runs_bulkresult SET problem = %(problem)s WHERE job_id = %(id)s AND run_id = %(run_id)s)
UPDATE runs_bulkjob SET n_done = n_done + (%(problem)s = '')::int, n_refused = n_refused + (%(problem)s <> '')::int
WHERE id = %(id)s RETURNING id
"""


def work_on_bulk() -> int:
    """Take the job that waits longest, apply its verb to the next runs, and return how many they were.

    Each run is one transaction together with its result and the job's counters: a clock that dies in between leaves
    nothing half done, and its successor goes on behind the last run. Stops after BATCH_SECONDS, when the job is
    stopped, and when its owner may not act any more.

    Locks: one run's row and the job's at a time. Transaction: one for each run.
    """
    lease = new_id()
    taken = execute(_TAKE, {"lease": lease, "seconds": LEASE_SECONDS})
    if taken is None:
        return 0
    job = BulkJob.objects.get(id=taken[0])
    try:
        with timezone.override(ZoneInfo(job.zone)):
            return _batch(job, lease)
    except BadQueryError as error:
        _fail(job, lease, error.detail)
    except Exception:
        logger.exception("bulk job %s goes on when its lease ends", job.pk)
    return 0


def _batch(job: BulkJob, lease: UUID) -> int:
    actor = _owner(job)
    if actor is None:
        _fail(job, lease, f"{job.created_by} may not act on runs of this team any more")
        return 0
    ahead = _ahead(job, actor)
    n_worked, began = 0, time.monotonic()
    end: tuple[object, object] | None = ahead.end
    for place in ahead.places:
        if time.monotonic() - began > BATCH_SECONDS or not _apply(job, lease, actor, place[1]):
            end = ahead.places[n_worked - 1] if n_worked else (job.walked_at, job.walked_id)
            break
        n_worked += 1
    _leave(job, lease, end or (None, None), is_done=end is None)
    return n_worked


def _leave(job: BulkJob, lease: UUID, walked: tuple[object, object], *, is_done: bool) -> None:
    execute(
        _LEAVE,
        {"id": job.pk, "lease": lease, "walked_at": walked[0], "walked_id": walked[1], "is_done": is_done},
    )


def _owner(job: BulkJob) -> Actor | None:
    """Return the person behind the job as they may act now; None when they may not."""
    user = User.objects.filter(id=job.user_id, is_active=True).first()
    actor = actor_of_user(user, job.team_id) if user else None
    return actor if actor and actor.team_id == job.team_id and actor.can(Scope.RUN) else None


def _ahead(job: BulkJob, actor: Actor) -> Walked:
    """Return the next runs; where they are the last ones, without an end. There may be none and yet more behind."""
    if job.run_ids is not None:
        done = set(job.results.values_list("run_id", flat=True))
        left = [run_id for run_id in job.run_ids if run_id not in done]
        places = [(job.created_at, run_id) for run_id in left[:BATCH_RUNS]]
        return Walked(places, places[-1] if len(left) > BATCH_RUNS else None)
    way = replace(run_query(actor, job.query, at=job.created_at).way, is_oldest_first=False)
    behind = (job.walked_at, job.walked_id) if job.walked_at and job.walked_id else (job.created_at, LAST_ID)
    walked = walk(way, behind=behind, limit=BATCH_RUNS)
    return Walked(walked.places, walked.places[-1]) if len(walked.places) == BATCH_RUNS else walked


def _apply(job: BulkJob, lease: UUID, actor: Actor, run_id: UUID) -> bool:
    """Apply the verb to a run unless that was done; False when the job is not ours to work on any more."""
    with transaction():
        if execute(_BEGIN, {"id": job.pk, "lease": lease, "run_id": run_id}) is None:
            return BulkJob.objects.filter(id=job.pk, lease=lease, state="working").exists()
        problem = _problem(job, actor, run_id)
        execute(_COUNT, {"id": job.pk, "run_id": run_id, "problem": problem})
    return True


def _problem(job: BulkJob, actor: Actor, run_id: UUID) -> str:
    """Return why the verb was refused, empty when it was not."""
    try:
        BULK_VERBS[job.verb](actor=actor, run_id=run_id, reason=job.reason or f"bulk {job.verb}")
    except (ConflictError, NotFoundError) as error:
        return error.detail[:MAX_PROBLEM_CHARACTERS]
    return ""


def _fail(job: BulkJob, lease: UUID, problem: str) -> None:
    execute(_FAIL, {"id": job.pk, "lease": lease, "problem": problem[:MAX_PROBLEM_CHARACTERS]})
