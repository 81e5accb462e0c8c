"""The stream of a run: what has happened so far at once, and the rest as it happens (runs.streams)."""

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router, Schema
from pydantic import ConfigDict, Field

from agentops.accounts.roles import Actor
from runs.presenters.stream import CONTENT_TYPE, events_of, greeting, is_over
from runs.selectors.news import news_for
from runs.selectors.told import Told
from runs.streams import Ticket, leave_ticket

router = Router(tags=["runs"])
_EVENTS = {
    "description": "Server-sent events",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


class StreamIn(Schema):
    model_config = ConfigDict(extra="forbid")

    last_event_id: str = Field("", description="As the header Last-Event-ID, for clients that cannot set it.")


@router.get(
    "/{uuid:run_id}/stream",
    response={200: None, 204: None},
    operation_id="stream_run",
    summary="Follow a run",
    openapi_extra={"responses": {200: _EVENTS}},
)
def stream(
    request: HttpRequest,
    run_id: UUID,
    filters: Query[StreamIn],
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "",
) -> HttpResponse:
    """Follow a run by server-sent events: `step`, `log`, `progress`, `status`; ends after the last status.

    204 when the run has ended and all was told: a browser then does not come back.
    """
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by the API's authentication
    told = Told.parse(last_event_id or filters.last_event_id)
    news = news_for(actor, run_id, told)
    events, told = events_of(news, told)
    if is_over(news) and not events:
        return HttpResponse(status=204)
    if not is_over(news):
        leave_ticket(request, Ticket(actor, run_id, told))
    headers: dict[str, Any] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return HttpResponse(greeting() + events, content_type=CONTENT_TYPE, headers=headers)
