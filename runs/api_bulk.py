"""The calls of the API about doing one thing to many runs."""

from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.common.errors import BadRequestError
from runs import schemas_bulk as schemas
from runs.models import BulkJob
from runs.schemas import PageIn
from runs.selectors.bulk import job_for, jobs_for, preview_for, results_for
from runs.services.start_bulk import start_bulk
from runs.services.stop_bulk import stop_bulk

router = Router(tags=["bulk"])


@router.post("", response={202: schemas.BulkJobOut}, operation_id="start_bulk", summary="Begin a bulk job")
def start(request: HttpRequest, payload: schemas.BulkIn) -> Status[schemas.BulkJobOut]:
    """Begin a job that applies a verb to many runs, one by one; 202 at once, and the job tells how far it is."""
    job = start_bulk(
        actor=caller_of(request),
        verb=payload.verb,
        reason=payload.reason,
        query=_query(payload),
        run_ids=payload.run_ids,
    )
    return Status(202, job_out(job))


@router.post(
    "/preview", response=schemas.BulkPreviewOut, operation_id="preview_bulk", summary="Preview a bulk job"
)
def preview(request: HttpRequest, payload: schemas.BulkIn) -> schemas.BulkPreviewOut:
    """Count the runs that the verb would change. Changes nothing."""
    found = preview_for(caller_of(request), payload.verb, query=_query(payload), run_ids=payload.run_ids)
    return schemas.BulkPreviewOut(fit=found.n_fit, unfit=found.n_unfit, is_all=found.is_all)


@router.get("", response=schemas.BulkJobPageOut, operation_id="list_bulk", summary="List bulk jobs")
def index(request: HttpRequest, filters: Query[PageIn]) -> schemas.BulkJobPageOut:
    """List the team's bulk jobs, newest first."""
    page = jobs_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    return schemas.BulkJobPageOut(items=[job_out(job) for job in page.items], next_cursor=page.next_cursor)


@router.get("/{uuid:job_id}", response=schemas.BulkJobOut, operation_id="get_bulk", summary="Get a bulk job")
def get(request: HttpRequest, job_id: UUID) -> schemas.BulkJobOut:
    """Get one bulk job and how far it is."""
    return job_out(job_for(caller_of(request), job_id))


@router.get(
    "/{uuid:job_id}/results",
    response=schemas.BulkResultPageOut,
    operation_id="list_bulk_results",
    summary="List what came of each run of a bulk job",
)
def results(
    request: HttpRequest, job_id: UUID, filters: Query[schemas.BulkResultsIn]
) -> schemas.BulkResultPageOut:
    """List what came of each run, newest run first."""
    page = results_for(
        caller_of(request), job_id, is_refused=filters.refused, cursor=filters.cursor, limit=filters.limit
    )
    items = [schemas.BulkResultOut(run=row.run_id, problem=row.problem, at=row.at) for row in page.items]
    return schemas.BulkResultPageOut(items=items, next_cursor=page.next_cursor)


@router.post(
    "/{uuid:job_id}/stop",
    response={202: schemas.BulkJobOut},
    operation_id="stop_bulk",
    summary="Stop a bulk job",
)
def stop(request: HttpRequest, job_id: UUID) -> Status[schemas.BulkJobOut]:
    """Stop a bulk job before its next run; what is done stays done."""
    return Status(202, job_out(stop_bulk(actor=caller_of(request), job_id=job_id)))


def _query(payload: schemas.BulkIn) -> str:
    """Return the query, which only a selection may leave out: nobody means all runs by saying nothing."""
    if (payload.q is None) == (payload.run_ids is None):
        raise BadRequestError("send either q or run_ids", parameter="q")
    return payload.q or ""


def job_out(job: BulkJob) -> schemas.BulkJobOut:
    """Return a bulk job as it stands on the wire."""
    return schemas.BulkJobOut(
        id=job.pk, url=reverse("runs:bulk-job", args=[job.pk]), verb=job.verb, q=None if job.run_ids else job.query,  # type: ignore[arg-type]  # the table knows no other verb
        reason=job.reason, state=job.state, problem=job.problem, expected=job.expected, done=job.n_done,  # type: ignore[arg-type]  # nor another state
        refused=job.n_refused, created_by=job.created_by, created_at=job.created_at, ended_at=job.ended_at,
    )  # fmt: skip
