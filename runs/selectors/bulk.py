"""Reading bulk jobs, and what one would do before it is begun."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.engine.states import Move, sources
from runs.models import BulkJob, BulkResult, Run
from runs.selectors.paging import Page, decode_cursor, instant, page_of
from runs.selectors.run_query import run_query
from runs.selectors.runs import runs_of
from runs.selectors.walk import sample

SHOWN_RUNS = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a verb would do: `n_fit` runs are in a status for it, `n_unfit` are not, `is_all` says that these are all.

    `examples` are some of those that fit, newest first.
    """

    n_fit: int
    n_unfit: int
    is_all: bool
    examples: list[Run]


def preview_for(
    actor: Actor, verb: str, *, query: str = "", run_ids: Sequence[UUID] | None = None
) -> Preview:
    """Return what the verb would do to the runs, or to all that the query finds.

    Raises: BadQueryError, NotAllowedError when the actor may not act on runs.
    """
    actor.require(Scope.RUN)
    ids, is_all = run_ids, True
    if ids is None:
        seen = sample(run_query(actor, query).way)
        ids, is_all = [run_id for _at, run_id in seen.places], seen.is_all
    found = runs_of(actor).filter(id__in=ids)
    fitting = found.filter(status__in=sources(Move(verb)))
    n_fit = fitting.count()
    examples = fitting.select_related("agent").only("id", "title", "status", "agent__slug", "created_at")
    return Preview(
        n_fit, found.count() - n_fit, is_all, list(examples.order_by("-created_at", "-id")[:SHOWN_RUNS])
    )


def job_for(actor: Actor, job_id: UUID) -> BulkJob:
    """Return the job. Raises: NotFoundError, also for a job of another team."""
    actor.require(Scope.READ)
    job = BulkJob.objects.filter(team_id=actor.team_id, id=job_id).first()
    if job is None:
        raise NotFoundError(f"there is no bulk job {job_id}", job_id=str(job_id))
    return job


def jobs_for(actor: Actor, *, cursor: str = "", limit: int) -> Page[BulkJob]:
    """Return a page of the team's jobs, newest first. Raises: BadQueryError for a cursor of another list."""
    actor.require(Scope.READ)
    found = BulkJob.objects.filter(team_id=actor.team_id)
    if cursor:
        created_at, job_id = decode_cursor(cursor, instant, UUID)
        found = found.extra(where=["(created_at, id) < (%s, %s)"], params=[created_at, job_id])
    rows = list(found.order_by("-created_at", "-id")[: limit + 1])
    return page_of(rows, limit, lambda job: (job.created_at.isoformat(), job.pk))


def results_for(
    actor: Actor, job_id: UUID, *, is_refused: bool = False, cursor: str = "", limit: int
) -> Page[BulkResult]:
    """Return a page of what came of each run, newest run first; with `is_refused`, of those where nothing was done.

    Raises: NotFoundError, BadQueryError
    """
    job = job_for(actor, job_id)
    found = BulkResult.objects.filter(job_id=job.pk)
    if is_refused:
        found = found.exclude(problem="")
    if cursor:
        found = found.filter(run_id__lt=decode_cursor(cursor, UUID)[0])
    rows = list(found.order_by("-run_id")[: limit + 1])
    return page_of(rows, limit, lambda row: (row.run_id,))
