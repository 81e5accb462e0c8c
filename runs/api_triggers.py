"""The calls of the API about triggers: events that start runs."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_sources as schemas
from runs.presenters import source_wire as wire
from runs.schemas import PageIn
from runs.selectors.sources import starts_for, trigger_for, triggers_for
from runs.services.change_trigger import delete_trigger, pause_trigger
from runs.services.create_trigger import TriggerSpec, create_trigger
from runs.services.preview_trigger import preview_trigger

router = Router(tags=["triggers"])


@router.get("", response=schemas.TriggerPageOut, operation_id="list_triggers", summary="List triggers")
def index(request: HttpRequest, filters: Query[PageIn]) -> schemas.TriggerPageOut:
    """List the team's triggers, newest first."""
    page = triggers_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    items = [wire.trigger_out(trigger) for trigger in page.items]
    return schemas.TriggerPageOut(items=items, next_cursor=page.next_cursor)


@router.post("", response={201: schemas.TriggerOut}, operation_id="create_trigger", summary="Make a trigger")
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.TriggerIn
) -> Status[schemas.TriggerOut]:
    """Let every event of a name, from now on, start a run of an agent, once."""
    trigger = create_trigger(actor=caller_of(request), **payload.model_dump())
    response["Location"] = wire.trigger_url(trigger)
    return Status(201, wire.trigger_out(trigger_for(caller_of(request), trigger.pk)))


@router.post(
    "/preview",
    response=schemas.TriggerPreviewOut,
    operation_id="preview_trigger",
    summary="See what a trigger would make of an event",
)
def preview(request: HttpRequest, payload: schemas.TriggerPreviewIn) -> schemas.TriggerPreviewOut:
    """See whether an event fits and which input it makes; makes nothing, publishes nothing."""
    told = payload.model_dump()
    event = told.pop("event")
    return wire.preview_out(preview_trigger(actor=caller_of(request), spec=TriggerSpec(**told), event=event))


@router.get(
    "/{uuid:trigger_id}", response=schemas.TriggerOut, operation_id="get_trigger", summary="Get a trigger"
)
def get(request: HttpRequest, trigger_id: UUID) -> schemas.TriggerOut:
    """Get one trigger."""
    return wire.trigger_out(trigger_for(caller_of(request), trigger_id))


@router.patch(
    "/{uuid:trigger_id}",
    response=schemas.TriggerOut,
    operation_id="update_trigger",
    summary="Pause or resume a trigger",
)
def update(request: HttpRequest, trigger_id: UUID, payload: schemas.TriggerPatchIn) -> schemas.TriggerOut:
    """Pause a trigger, or let it go on; events that come while it is paused start nothing."""
    changed = pause_trigger(actor=caller_of(request), trigger_id=trigger_id, is_paused=payload.paused)
    return wire.trigger_out(changed)


@router.delete(
    "/{uuid:trigger_id}", response={204: None}, operation_id="delete_trigger", summary="Delete a trigger"
)
def delete(request: HttpRequest, trigger_id: UUID) -> Status[None]:
    """Delete a trigger with its history; runs that it has started stay."""
    delete_trigger(actor=caller_of(request), trigger_id=trigger_id)
    return Status(204, None)


@router.get(
    "/{uuid:trigger_id}/starts",
    response=schemas.TriggerStartPageOut,
    operation_id="list_trigger_starts",
    summary="List what came of a trigger's events",
)
def starts(request: HttpRequest, trigger_id: UUID, filters: Query[PageIn]) -> schemas.TriggerStartPageOut:
    """List what came of the events at a trigger, newest first: a run, or why none."""
    page = starts_for(caller_of(request), trigger_id, cursor=filters.cursor, limit=filters.limit)
    items = [wire.start_out(start) for start in page.items]
    return schemas.TriggerStartPageOut(items=items, next_cursor=page.next_cursor)
