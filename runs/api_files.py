"""The calls of the API about the files of a run's workspace."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from agentops.accounts.middleware import caller_of
from runs import schemas_files as schemas
from runs.presenters import file_wire
from runs.selectors.files import file_for, file_pair_for, files_for

router = Router(tags=["files"])
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/{uuid:run_id}/files", response=schemas.FilesOut, operation_id="list_files", summary="List a run's files"
)
def files(request: HttpRequest, run_id: UUID, filters: Query[schemas.FilesIn]) -> schemas.FilesOut:
    """List the files of the run's workspace at a checkpoint, and how they differ from another."""
    return file_wire.files(files_for(caller_of(request), run_id, filters.seq, since=filters.since))


@router.get(
    "/{uuid:run_id}/files/{path:path}",
    operation_id="get_file",
    summary="Download a file",
    openapi_extra={"responses": {200: {"description": "The file as it was", **_BYTES}}},
)
def file(request: HttpRequest, run_id: UUID, path: str, filters: Query[schemas.FileIn]) -> HttpResponse:
    """Download a file of the workspace as it was at a checkpoint, checked against the chain."""
    return file_wire.download(file_for(caller_of(request), run_id, path, filters.seq))


@router.get(
    "/{uuid:run_id}/diff/files",
    response=schemas.FileDiffOut,
    operation_id="diff_file",
    summary="Compare a file at two checkpoints",
)
def diff(request: HttpRequest, run_id: UUID, filters: Query[schemas.FileDiffIn]) -> schemas.FileDiffOut:
    """Get what changed in one file between two checkpoints, as text."""
    pair = file_pair_for(caller_of(request), run_id, filters.path, filters.a, filters.b)
    return file_wire.file_diff(filters.path, *pair)
