"""The calls of the API about schedules."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_schedules as schemas
from runs.presenters import schedule_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.schemas import PageIn
from runs.selectors.schedules import fires_for, schedule_for, schedules_for, timetable_of, upcoming
from runs.services.create_schedule import create_schedule
from runs.services.delete_schedule import delete_schedule
from runs.services.fire_schedule import fire_schedule
from runs.services.schedule_columns import ScheduleSpec
from runs.services.update_schedule import update_schedule

router = Router(tags=["schedules"])

Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@router.get("", response=schemas.SchedulePageOut, operation_id="list_schedules", summary="List schedules")
def index(request: HttpRequest, filters: Query[schemas.ScheduleListIn]) -> schemas.SchedulePageOut:
    """List schedules, newest first, each with what came of its last time."""
    page = schedules_for(
        caller_of(request),
        agent=filters.agent,
        is_paused=filters.paused,
        cursor=filters.cursor,
        limit=filters.limit,
    )
    items = [wire.schedule_listed(schedule) for schedule in page.items]
    return schemas.SchedulePageOut(items=items, next_cursor=page.next_cursor)


@router.post(
    "",
    response={201: schemas.ScheduleOut, 200: schemas.ScheduleOut},
    operation_id="create_schedule",
    summary="Make a schedule",
)
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.ScheduleIn, idempotency_key: Key = None
) -> Status[schemas.ScheduleOut]:
    """Make a schedule: 201 with its Location, or 200 with the one that the idempotency key made before."""
    spec = ScheduleSpec(**payload.model_dump(exclude={"agent"}))
    schedule, is_new = create_schedule(
        actor=caller_of(request), agent=payload.agent, spec=spec, idempotency_key=idempotency_key
    )
    response["Location"], response["ETag"] = wire.schedule_url(schedule), wire.etag(schedule)
    return Status(201 if is_new else 200, wire.schedule_detail(schedule))


@router.post(
    "/preview",
    response=schemas.PreviewOut,
    operation_id="preview_schedule",
    summary="See the times of a cron expression",
)
def preview(request: HttpRequest, payload: schemas.PreviewIn) -> schemas.PreviewOut:
    """See the next times of an expression in a zone; makes nothing."""
    table = timetable_of(payload.cron, payload.time_zone)
    return wire.preview(table, upcoming(table, payload.n_times, after=payload.after))


@router.get(
    "/{uuid:schedule_id}",
    response=schemas.ScheduleOut,
    operation_id="get_schedule",
    summary="Get a schedule",
)
def get(request: HttpRequest, response: HttpResponse, schedule_id: UUID) -> schemas.ScheduleOut:
    """Get one schedule with its input and its next times."""
    schedule = schedule_for(caller_of(request), schedule_id)
    response["ETag"] = wire.etag(schedule)
    return wire.schedule_detail(schedule)


@router.patch(
    "/{uuid:schedule_id}",
    response=schemas.ScheduleOut,
    operation_id="update_schedule",
    summary="Change, pause or resume a schedule",
)
def update(
    request: HttpRequest, response: HttpResponse, schedule_id: UUID, payload: schemas.SchedulePatchIn, if_match: IfMatch = None
) -> schemas.ScheduleOut:  # fmt: skip
    """Change what the body names; `{"paused": true}` pauses."""
    actor = caller_of(request)
    changes = payload.model_dump(exclude_unset=True, exclude={"version"})
    with current_state(if_match, _current(actor, schedule_id)):
        version = seen_version(if_match, payload.version)
        schedule = update_schedule(actor=actor, schedule_id=schedule_id, changes=changes, version=version)
    response["ETag"] = wire.etag(schedule)
    return wire.schedule_detail(schedule)


@router.delete(
    "/{uuid:schedule_id}",
    response={204: None},
    operation_id="delete_schedule",
    summary="Delete a schedule",
)
def delete(request: HttpRequest, schedule_id: UUID, if_match: IfMatch = None) -> Status[None]:
    """Delete a schedule with its history; runs that it has started stay."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, schedule_id)):
        delete_schedule(actor=actor, schedule_id=schedule_id, version=seen_version(if_match, None))
    return Status(204, None)


@router.post(
    "/{uuid:schedule_id}/fire",
    response={202: schemas.FireOut, 200: schemas.FireOut},
    operation_id="fire_schedule",
    summary="Fire a schedule now",
)
def fire(request: HttpRequest, schedule_id: UUID, idempotency_key: Key = None) -> Status[schemas.FireOut]:
    """Fire a schedule now, by its overlap rule: 202 with what came of it; 200 when the key has fired it before."""
    found, is_new = fire_schedule(
        actor=caller_of(request), schedule_id=schedule_id, idempotency_key=idempotency_key
    )
    return Status(202 if is_new else 200, wire.fire(found))


@router.get(
    "/{uuid:schedule_id}/fires",
    response=schemas.FirePageOut,
    operation_id="list_fires",
    summary="List what came of a schedule's times",
)
def fires(request: HttpRequest, schedule_id: UUID, filters: Query[PageIn]) -> schemas.FirePageOut:
    """List what came of the times of a schedule, newest first."""
    page = fires_for(caller_of(request), schedule_id, cursor=filters.cursor, limit=filters.limit)
    return schemas.FirePageOut(items=[wire.fire(row) for row in page.items], next_cursor=page.next_cursor)


def _current(actor: Actor, schedule_id: UUID) -> Callable[[], schemas.ScheduleOut]:
    return lambda: wire.schedule_detail(schedule_for(actor, schedule_id))
