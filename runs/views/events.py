"""The events that came, one of them, and the form that publishes one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError
from runs.presenters.event_forms import event_schema, form_of
from runs.presenters.events import event_chip, event_rows, pretty, start_row
from runs.selectors.sources import starts_of
from runs.selectors.waits import event_for, events_for
from runs.services.publish_event import publish_event
from runs.views.base import respond, room

PAGE_ROWS = 50


@room
def event_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The events of the team, newest first, of one name or source where the address says so."""
    get = request.GET
    name, source, cursor = get.get("name", ""), get.get("source", ""), get.get("cursor", "")
    page = events_for(actor, name=name, source=source, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": event_rows(page.items, starts_of(actor, [event.id for event in page.items])),
        "older": page.next_cursor,
        "is_first": not cursor,
        "name": name,
        "source": source,
        "tab": "events",
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/events.html", context, regions={"events": "events"})


@room
def event_page(request: HttpRequest, actor: Actor, event_id: UUID) -> HttpResponse:
    """One event with its payload, and the runs that it started."""
    event = event_for(actor, event_id)
    context = {
        "event": event,
        "chip": event_chip(event),
        "payload": pretty(event.payload),
        "starts": [start_row(start) for start in starts_of(actor, [event_id])],
        "slug": event.source.partition(":")[2],
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/event.html", context)


@require_http_methods(["GET", "POST"])
@room
def publish(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form, filled like the event `from` where given; POST publishes what stands in it."""
    actor.require(Scope.RUN)
    form = form_of(
        event_schema(), request.POST if request.method == "POST" else None, _earlier(request, actor)
    )
    values = form.values if request.method == "POST" else None
    if values is not None:
        try:
            event, matched, is_new = publish_event(
                actor=actor, name=str(values["name"]), key=str(values.get("key", "")), payload=values.get("payload"),
                delivery_id=str(values.get("id", "")),
            )  # fmt: skip
        except AgentOpsError as error:
            form.refuse(error)
        else:
            messages.info(request, _outcome(matched, is_new=is_new))
            return redirect("runs:event", event.id)
    status = 422 if request.method == "POST" else 200
    return respond(request, "runs/publish_event.html", {"form": form, "tab": "events"}, status=status)


def _earlier(request: HttpRequest, actor: Actor) -> dict[str, object] | None:
    try:
        event = event_for(actor, UUID(request.GET.get("from", "")))
    except (ValueError, AgentOpsError):
        return {"name": request.GET["name"]} if request.GET.get("name") else None
    return {"name": event.name, "key": event.key, "payload": event.payload}


def _outcome(matched: int, *, is_new: bool) -> str:
    if not is_new:
        return _("This event was published before; nothing happened twice.")
    return ngettext("It ended %(n)d wait.", "It ended %(n)d waits.", matched) % {"n": matched}
