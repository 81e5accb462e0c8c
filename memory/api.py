"""The calls of the API about memory."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from memory import schemas
from memory.presenters import wire
from memory.selectors.items import item_for, items_for, revision_at, revisions_of
from memory.selectors.search import search
from memory.selectors.spaces import space_for, spaces_for
from memory.services.change_item import forget_item, restore_item
from memory.services.create_space import create_space
from memory.services.put_item import put_item
from memory.services.undo_run import undo_run
from memory.services.update_space import update_space
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.schemas import PageIn

router = Router(tags=["memory"])


@router.get(
    "", response=schemas.SpacesOut, operation_id="list_memory_spaces", summary="List spaces of memory"
)
def index(request: HttpRequest) -> schemas.SpacesOut:
    """List the team's spaces by name."""
    return schemas.SpacesOut(items=[wire.space_out(space) for space in spaces_for(caller_of(request))])


@router.post(
    "", response={201: schemas.SpaceOut}, operation_id="create_memory_space", summary="Make a space of memory"
)
def create(request: HttpRequest, payload: schemas.SpaceIn) -> Status[schemas.SpaceOut]:
    """Make a space, for admins."""
    return Status(
        201, wire.space_out(create_space(actor=caller_of(request), **payload.model_dump(exclude_unset=True)))
    )


@router.post("/search", response=schemas.SearchOut, operation_id="search_memory", summary="Search memory")
def find(request: HttpRequest, payload: schemas.SearchIn) -> schemas.SearchOut:
    """Search by words or a question; with `explain`, each item says what its score is made of."""
    asked = payload.model_dump(exclude={"explain"})
    found = search(caller_of(request), **asked)
    return schemas.SearchOut(
        items=[wire.hit_out(hit, with_why=payload.explain) for hit in found.hits], legs=list(found.legs)
    )


@router.post(
    "/runs/{uuid:run_id}/undo",
    response=schemas.UndoneOut,
    operation_id="undo_memory_of_run",
    summary="Undo what a run wrote",
)
def undo(request: HttpRequest, run_id: UUID, payload: schemas.UndoIn) -> schemas.UndoneOut:
    """Take back everything that the run wrote, but what somebody has changed since."""
    return wire.undone_out(undo_run(actor=caller_of(request), run_id=run_id, reason=payload.reason))


@router.get(
    "/{str:space}",
    response=schemas.ItemPageOut,
    operation_id="list_memory_items",
    summary="List items of a space",
)
def items(request: HttpRequest, space: str, filters: Query[PageIn]) -> schemas.ItemPageOut:
    """List what the space holds, the last changed first, also what is forgotten."""
    actor = caller_of(request)
    page = items_for(actor, space_for(actor, space), cursor=filters.cursor, limit=filters.limit)
    return schemas.ItemPageOut(
        items=[wire.item_out(item) for item in page.items], next_cursor=page.next_cursor
    )


@router.patch(
    "/{str:space}", response=schemas.SpaceOut, operation_id="update_memory_space", summary="Change a space"
)
def change(request: HttpRequest, space: str, payload: schemas.SpacePatchIn) -> schemas.SpaceOut:
    """Change the settings that the body names, for admins."""
    changes = payload.model_dump(exclude_unset=True, exclude={"version"})
    return wire.space_out(
        update_space(actor=caller_of(request), slug=space, changes=changes, version=payload.version)
    )


@router.get(
    "/{str:space}/{str:key}/history", response=schemas.HistoryOut, operation_id="get_memory_history",
    summary="Get what an item was",
)  # fmt: skip
def history(request: HttpRequest, space: str, key: str) -> schemas.HistoryOut:
    """Get every revision, the newest first."""
    actor = caller_of(request)
    found = revisions_of(actor, item_for(actor, space, key))
    return schemas.HistoryOut(items=[wire.revision_out(revision) for revision in found])


@router.post(
    "/{str:space}/{str:key}/restore",
    response=schemas.ItemOut,
    operation_id="restore_memory_item",
    summary="Restore a version",
)
def restore(request: HttpRequest, space: str, key: str, payload: schemas.RestoreIn) -> schemas.ItemOut:
    """Let an item say again what it said at a version, as a new revision."""
    return wire.item_out(restore_item(actor=caller_of(request), space=space, key=key, **payload.model_dump()))


@router.get(
    "/{str:space}/{str:key}", response=schemas.ItemOut, operation_id="get_memory_item", summary="Get an item"
)
def get(
    request: HttpRequest, response: HttpResponse, space: str, key: str, as_of: datetime | None = None
) -> schemas.ItemOut:
    """Get what is remembered under the key; with `as_of`, what it was at that instant."""
    actor = caller_of(request)
    item = item_for(actor, space, key)
    response["ETag"] = f'"{item.version}"'
    shown = wire.item_out(item)
    if as_of is None:
        return shown
    then = wire.revision_out(revision_at(actor, item, as_of)).model_dump(
        exclude={"author", "reason", "created_at"}
    )
    return shown.model_copy(update=then)


@router.put(
    "/{str:space}/{str:key}",
    response=schemas.ItemOut,
    operation_id="put_memory_item",
    summary="Remember something",
)
def put(
    request: HttpRequest, response: HttpResponse, space: str, key: str, payload: schemas.ItemIn, if_match: IfMatch = None
) -> schemas.ItemOut:  # fmt: skip
    """Write a new revision; with `if_version` or If-Match only when nobody else has written meanwhile."""
    actor = caller_of(request)
    given = payload.model_dump(exclude={"if_version"})
    with current_state(if_match, lambda: wire.item_out(item_for(actor, space, key))):
        version = seen_version(if_match, payload.if_version)
        item = put_item(actor=actor, space=space, key=key, if_version=version, **given)
    response["ETag"] = f'"{item.version}"'
    return wire.item_out(item)


@router.delete(
    "/{str:space}/{str:key}",
    response={204: None},
    operation_id="forget_memory_item",
    summary="Forget an item",
)
def forget(request: HttpRequest, space: str, key: str, if_match: IfMatch = None) -> Status[None]:
    """Forget it: no search finds it; its history stays, and it can be restored."""
    actor = caller_of(request)
    with current_state(if_match, lambda: wire.item_out(item_for(actor, space, key))):
        forget_item(actor=actor, space=space, key=key, if_version=seen_version(if_match, None))
    return Status(204, None)
