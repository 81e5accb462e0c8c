"""Triggers: the list, one with what came of its events, and the form that makes one, tried on the last event."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError
from runs.models import Event
from runs.presenters.event_forms import PlainForm, form_of, trigger_schema
from runs.presenters.events import pretty, start_row, trigger_chip
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.sources import starts_for, trigger_for, triggers_for
from runs.selectors.waits import events_for
from runs.services.change_trigger import delete_trigger, pause_trigger
from runs.services.create_trigger import TriggerSpec, create_trigger
from runs.services.preview_trigger import TriggerPreview, preview_trigger
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_STARTS = 20


@room
def trigger_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The triggers of the team, newest first."""
    cursor = request.GET.get("cursor", "")
    page = triggers_for(actor, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [(trigger, trigger_chip(trigger)) for trigger in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "tab": "triggers",
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/triggers.html", context)


@room
def trigger_page(request: HttpRequest, actor: Actor, trigger_id: UUID) -> HttpResponse:
    """One trigger, and what came of its events."""
    cursor = request.GET.get("cursor", "")
    trigger = trigger_for(actor, trigger_id)
    page = starts_for(actor, trigger_id, cursor=cursor, limit=SHOWN_STARTS)
    context = {
        "trigger": trigger,
        "now": trigger.__dict__["now_at"],
        "chip": trigger_chip(trigger),
        "match": "" if trigger.match is None else pretty(trigger.match),
        "template": "" if trigger.input_template is None else pretty(trigger.input_template),
        "starts": [start_row(start) for start in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/trigger.html", context)


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form and what it makes of the last event of that name; POST makes the trigger."""
    actor.require(Scope.RUN)
    is_posted = request.method == "POST"
    typed = request.POST if is_posted else request.GET if "in-event_name" in request.GET else None
    agents = [card.agent.slug for card in agents_with_counts(actor) if card.published]
    given = {name: request.GET[name] for name in ("event_name", "agent") if request.GET.get(name)}
    form = form_of(trigger_schema(agents), typed, given)
    values = form.values if typed is not None else None
    is_asked = is_posted and request.POST.get("do") != "preview"
    if values is not None and is_asked:
        try:
            trigger = create_trigger(actor=actor, **values)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            return redirect("runs:trigger", trigger.id)
    event, preview = _tried(actor, form, values or given)
    context = {
        "form": form, "agents": agents, "event": event, "preview": preview, "made": pretty(preview.input) if preview else "",
        "tab": "triggers", "is_asked": is_asked,
    }  # fmt: skip
    status = 422 if is_posted and (is_asked or form.n_errors) else 200
    return respond(request, "runs/trigger_form.html", context, regions={"preview": "preview"}, status=status)


@require_POST
@room
def pause(request: HttpRequest, actor: Actor, trigger_id: UUID, *, is_paused: bool) -> HttpResponse:
    """Pause a trigger, or let it go on."""
    pause_trigger(actor=actor, trigger_id=trigger_id, is_paused=is_paused)
    return redirect("runs:trigger", trigger_id)


@require_http_methods(["GET", "POST"])
@room
def delete(request: HttpRequest, actor: Actor, trigger_id: UUID) -> HttpResponse:
    """GET asks, POST deletes."""
    actor.require(Scope.RUN)
    trigger = trigger_for(actor, trigger_id)
    if request.method == "GET":
        return respond(request, "runs/trigger_delete.html", {"trigger": trigger})
    delete_trigger(actor=actor, trigger_id=trigger_id)
    messages.info(request, _("The trigger is deleted."))
    return redirect("runs:triggers")


def _tried(
    actor: Actor, form: PlainForm, values: dict[str, Any]
) -> tuple[Event | None, TriggerPreview | None]:
    """Return the last event of the name, and what the trigger would make of it; what does not fit is marked."""
    name = str(values.get("event_name", ""))
    event = next(iter(events_for(actor, name=name, limit=1).items), None) if name else None
    if event is None:
        return None, None
    told = {
        "id": str(event.pk), "name": event.name, "key": event.key, "payload": event.payload, "source": event.source,
        "received_at": event.received_at.isoformat(),
    }  # fmt: skip
    spec = TriggerSpec(**{"agent": "", **values})
    try:
        return event, preview_trigger(actor=actor, spec=spec, event=told)
    except AgentOpsError as error:
        if not form.n_errors:
            form.refuse(error)
        return event, None
