"""The calls of the API about waiting: events, signals, what a run waits for, and a person's answer."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_waits as schemas
from runs.presenters import wire
from runs.presenters.wait_wire import event_out, wait_out
from runs.schemas import RunOut
from runs.selectors.runs import run_for
from runs.selectors.waits import events_for, waits_for
from runs.services.answer_wait import answer_wait
from runs.services.publish_event import publish_event
from runs.services.send_signal import send_signal
from runs.services.wake_run import cancel_wait, wake_run

router = Router(tags=["waits"])
events_router = Router(tags=["waits"])


@events_router.post(
    "",
    response={202: schemas.MatchedOut, 200: schemas.MatchedOut},
    operation_id="publish_event",
    summary="Publish an event",
)
def publish(request: HttpRequest, payload: schemas.EventIn) -> Status[schemas.MatchedOut]:
    """Tell of something that happened: 202 with how many waits it ended, or 200 when its id was delivered before."""
    event, matched, is_new = publish_event(
        actor=caller_of(request),
        name=payload.name,
        key=payload.key,
        payload=payload.payload,
        delivery_id=payload.id,
    )
    return Status(202 if is_new else 200, schemas.MatchedOut(id=event.id, matched=matched))


@events_router.get("", response=schemas.EventPageOut, operation_id="list_events", summary="List events")
def events(request: HttpRequest, filters: Query[schemas.EventListIn]) -> schemas.EventPageOut:
    """List the team's events, newest first."""
    page = events_for(caller_of(request), **filters.model_dump())
    return schemas.EventPageOut(
        items=[event_out(event) for event in page.items], next_cursor=page.next_cursor
    )


@router.post(
    "/{uuid:run_id}/signals/{str:name}",
    response={202: schemas.MatchedOut, 200: schemas.MatchedOut},
    operation_id="send_signal",
    summary="Send a message to a run",
)
def signal(
    request: HttpRequest, run_id: UUID, name: str, payload: schemas.SignalIn
) -> Status[schemas.MatchedOut]:
    """Send a message to a run, which is kept until the run asks for it; 200 when its id was delivered before."""
    sent, matched, is_new = send_signal(
        actor=caller_of(request), run_id=run_id, name=name, payload=payload.payload, delivery_id=payload.id
    )
    return Status(202 if is_new else 200, schemas.MatchedOut(id=sent.id, matched=matched))


@router.get(
    "/{uuid:run_id}/waits",
    response=schemas.WaitsOut,
    operation_id="list_waits",
    summary="List what a run waits for",
)
def waits(request: HttpRequest, run_id: UUID) -> schemas.WaitsOut:
    """List what a run waits for now, and then the last of what it waited for; at most 200."""
    return schemas.WaitsOut(items=[wait_out(wait) for wait in waits_for(caller_of(request), run_id)])


@router.post(
    "/{uuid:run_id}/steps/{int:seq}/answer",
    response={202: RunOut},
    operation_id="answer_step",
    summary="Answer what a run asks a person",
)
def answer(request: HttpRequest, run_id: UUID, seq: int, payload: schemas.AnswerIn) -> Status[RunOut]:
    """Approve, edit or reject what a step wants to do, or answer its question; 409 names who was faster."""
    given = payload.model_dump(exclude={"type"})
    answer_wait(actor=caller_of(request), run_id=run_id, seq=seq, reply=payload.type, **given)
    return Status(202, wire.run_detail(run_for(caller_of(request), run_id)))


@router.post("/{uuid:run_id}/wake", response={202: RunOut}, operation_id="wake_run", summary="Wake a run now")
def wake(request: HttpRequest, run_id: UUID) -> Status[RunOut]:
    """End the sleep of a run, or its wait as if its time were over."""
    return Status(202, wire.run_detail(wake_run(actor=caller_of(request), run_id=run_id)))


@router.post(
    "/{uuid:run_id}/cancel-wait",
    response={202: RunOut},
    operation_id="cancel_wait",
    summary="Cancel what a run waits for",
)
def cancel(request: HttpRequest, run_id: UUID) -> Status[RunOut]:
    """Let what a run waits for fail with the code `wait_cancelled`, which its agent may catch."""
    return Status(202, wire.run_detail(cancel_wait(actor=caller_of(request), run_id=run_id)))
