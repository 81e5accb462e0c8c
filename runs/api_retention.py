"""The calls of the API about how long runs are kept: policies, the work on them, holds, archives, storage."""

from collections.abc import Callable
from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_retention as schemas
from runs.archives.files import SUFFIX
from runs.presenters import retention_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.presenters.wire import run_detail
from runs.schemas import RunOut
from runs.selectors.archives import archive_for, file_for
from runs.selectors.prune_preview import prune_sums_for
from runs.selectors.retention import (
    due_sums_for,
    holds_for,
    job_for,
    jobs_for,
    policies_for,
    policy_for,
    rule_of,
)
from runs.selectors.runs import run_for
from runs.selectors.storage import storage_for
from runs.services.archive_run import archive_run
from runs.services.begin_retention import begin_retention, stop_retention
from runs.services.hold_run import hold_run, release_hold
from runs.services.restore_run import restore_run
from runs.services.save_retention import create_retention, draft_of, remove_retention, update_retention

router = Router(tags=["retention"])
run_router = Router(tags=["retention"])
storage_router = Router(tags=["retention"])


@router.get(
    "", response=schemas.RetentionListOut, operation_id="list_retention", summary="List policies of retention"
)
def index(request: HttpRequest) -> schemas.RetentionListOut:
    """List the team's policies, the most general one first."""
    found = policies_for(caller_of(request))
    return schemas.RetentionListOut(items=[wire.policy_out(policy) for policy in found])


@router.post(
    "",
    response={201: schemas.RetentionOut},
    operation_id="create_retention",
    summary="Say how long runs are kept",
)
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.RetentionIn
) -> Status[schemas.RetentionOut]:
    """Make a policy; it is carried out each night, from the next one on."""
    policy = create_retention(actor=caller_of(request), **payload.model_dump())
    response["Location"], response["ETag"] = wire.policy_url(policy), wire.etag(policy)
    return Status(201, wire.policy_out(policy))


@router.post(
    "/preview",
    response=schemas.PreviewOut,
    operation_id="preview_retention",
    summary="Show what a policy would do",
)
def preview(request: HttpRequest, payload: schemas.RetentionIn) -> schemas.PreviewOut:
    """Show what would go tonight, whole or pruned, if this policy stood in place of the one for the same runs."""
    actor = caller_of(request)
    rule = rule_of(draft_of(actor, **payload.model_dump()))
    prunes = prune_sums_for(actor, instead=rule)
    return wire.preview_out(due_sums_for(actor, instead=rule), prunes, draft=rule.id)


@router.get(
    "/due", response=schemas.PreviewOut, operation_id="due_retention", summary="Show what would go tonight"
)
def due(request: HttpRequest) -> schemas.PreviewOut:
    """Show what the policies in force would do now."""
    actor = caller_of(request)
    return wire.preview_out(due_sums_for(actor), prune_sums_for(actor))


@router.get(
    "/works", response=schemas.WorkPageOut, operation_id="list_retention_works", summary="List what was done"
)
def works(request: HttpRequest, filters: Query[schemas.WorkListIn]) -> schemas.WorkPageOut:
    """List the works of retention, the newest first."""
    page = jobs_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    return schemas.WorkPageOut(items=[wire.work_out(job) for job in page.items], next_cursor=page.next_cursor)


@router.post(
    "/works", response={202: schemas.WorkOut}, operation_id="begin_retention", summary="Do now what is due"
)
def begin(request: HttpRequest) -> Status[schemas.WorkOut]:
    """Archive, delete and prune now what would go tonight; 409 while that is under way."""
    return Status(202, wire.work_out(begin_retention(actor=caller_of(request))))


@router.get(
    "/works/{uuid:work_id}",
    response=schemas.WorkOut,
    operation_id="get_retention_work",
    summary="Get how far it is",
)
def work(request: HttpRequest, work_id: UUID) -> schemas.WorkOut:
    """Get how far a work of retention is."""
    return wire.work_out(job_for(caller_of(request), work_id))


@router.post(
    "/works/{uuid:work_id}/stop", response=schemas.WorkOut, operation_id="stop_retention", summary="Stop it"
)
def stop(request: HttpRequest, work_id: UUID) -> schemas.WorkOut:
    """Stop before the next run; what is done stays done."""
    return wire.work_out(stop_retention(actor=caller_of(request), job_id=work_id))


@router.get(
    "/{uuid:retention_id}",
    response=schemas.RetentionOut,
    operation_id="get_retention",
    summary="Get a policy",
)
def get(request: HttpRequest, response: HttpResponse, retention_id: UUID) -> schemas.RetentionOut:
    """Get one policy."""
    policy = policy_for(caller_of(request), retention_id)
    response["ETag"] = wire.etag(policy)
    return wire.policy_out(policy)


@router.patch(
    "/{uuid:retention_id}",
    response=schemas.RetentionOut,
    operation_id="update_retention",
    summary="Change a policy",
)
def update(
    request: HttpRequest, response: HttpResponse, retention_id: UUID, payload: schemas.RetentionPatchIn, if_match: IfMatch = None
) -> schemas.RetentionOut:  # fmt: skip
    """Change what the body names of a policy."""
    actor = caller_of(request)
    changes = payload.model_dump(exclude_unset=True, exclude={"version"})
    with current_state(if_match, _current(actor, retention_id)):
        version = seen_version(if_match, payload.version)
        policy = update_retention(actor=actor, policy_id=retention_id, version=version, **changes)
    response["ETag"] = wire.etag(policy)
    return wire.policy_out(policy)


@router.delete(
    "/{uuid:retention_id}", response={204: None}, operation_id="remove_retention", summary="Remove a policy"
)
def delete(request: HttpRequest, retention_id: UUID, if_match: IfMatch = None) -> Status[None]:
    """Remove a policy; a more general one counts in its place."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, retention_id)):
        remove_retention(actor=actor, policy_id=retention_id, version=seen_version(if_match, None))
    return Status(204, None)


@run_router.get(
    "/{uuid:run_id}/holds",
    response=schemas.HoldListOut,
    operation_id="list_holds",
    summary="List why a run is kept",
)
def holds(request: HttpRequest, run_id: UUID) -> schemas.HoldListOut:
    """List the pins and holds of a run."""
    actor = caller_of(request)
    run_for(actor, run_id, also_archived=True)
    return wire.holds_out(holds_for(actor, run_id))


@run_router.post(
    "/{uuid:run_id}/holds", response=schemas.HoldListOut, operation_id="hold_run", summary="Keep a run"
)
def hold(request: HttpRequest, run_id: UUID, payload: schemas.HoldIn) -> schemas.HoldListOut:
    """Keep a run whole whatever a policy says, by a pin or a legal hold."""
    actor = caller_of(request)
    hold_run(actor=actor, run_id=run_id, **payload.model_dump())
    return wire.holds_out(holds_for(actor, run_id))


@run_router.delete(
    "/{uuid:run_id}/holds/{kind}", response={204: None}, operation_id="release_hold", summary="Let a run go"
)
def release(request: HttpRequest, run_id: UUID, kind: str) -> Status[None]:
    """Lift a pin or a hold; the policies decide again."""
    release_hold(actor=caller_of(request), run_id=run_id, kind=kind)
    return Status(204, None)


@run_router.post(
    "/{uuid:run_id}/archive",
    response=schemas.ArchiveOut,
    operation_id="archive_run",
    summary="Archive a run now",
)
def archive(request: HttpRequest, run_id: UUID) -> schemas.ArchiveOut:
    """Move the rows of an ended run into its archive; it stays listed."""
    return wire.archive_out(archive_run(actor=caller_of(request), run_id=run_id))


@run_router.get(
    "/{uuid:run_id}/archive",
    response=schemas.ArchiveOut,
    operation_id="get_archive",
    summary="Get the archive of a run",
)
def get_archive(request: HttpRequest, run_id: UUID) -> schemas.ArchiveOut:
    """Get what is known of the archive of a run, also of one that was deleted."""
    return wire.archive_out(archive_for(caller_of(request), run_id))


@run_router.get(
    "/{uuid:run_id}/archive/file", operation_id="download_archive", summary="Download the archive of a run"
)
def download(request: HttpRequest, run_id: UUID) -> FileResponse:
    """Download the file, which `manage.py import_run` takes."""
    with file_for(caller_of(request), run_id) as path:
        opened = path.open("rb")
    return FileResponse(
        opened, as_attachment=True, filename=f"{run_id}{SUFFIX}", content_type="application/octet-stream"
    )


@run_router.post(
    "/{uuid:run_id}/restore",
    response=RunOut,
    operation_id="restore_run",
    summary="Restore a run from its archive",
)
def restore(request: HttpRequest, run_id: UUID) -> RunOut:
    """Bring the rows of a run back, checked against its chain; policies spare it for seven days."""
    actor = caller_of(request)
    restore_run(actor=actor, run_id=run_id)
    return run_detail(run_for(actor, run_id))


@storage_router.get(
    "", response=schemas.StorageOut, operation_id="get_storage", summary="Get what the runs take"
)
def storage(request: HttpRequest) -> schemas.StorageOut:
    """Get how many bytes the team's runs take, by agent and kind of row."""
    return wire.storage_out(storage_for(caller_of(request), largest=1))


def _current(actor: Actor, retention_id: UUID) -> Callable[[], schemas.RetentionOut]:
    return lambda: wire.policy_out(policy_for(actor, retention_id))
