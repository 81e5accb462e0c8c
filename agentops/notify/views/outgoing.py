"""Endpoints of the team, and the log of what was sent."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, InvalidInputError
from agentops.notify.models import STATES, Delivery
from agentops.notify.selectors import attempts_of, deliveries_for, delivery_for
from agentops.notify.services.endpoints import KINDS, create_endpoint, delete_endpoint, switch_endpoint
from agentops.notify.services.mark_read import send_again
from agentops.notify.topics import Topic
from agentops.notify.words import TOPICS, receiver_of, state_chip
from runs.views.base import respond, room

PAGE_ROWS = 50


@require_http_methods(["GET", "POST"])
@room
def new_endpoint(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form; POST makes an endpoint."""
    actor.require(Scope.ADMIN)
    posted, chosen = request.POST, request.POST.getlist("topics")
    context: dict[str, Any] = {
        "typed": {name: posted.get(name, "") for name in ("name", "kind", "url")}, "kinds": KINDS, "tab": "wishes",
        "topics": [(topic.value, TOPICS[topic][0], topic.value in chosen) for topic in Topic],
    }  # fmt: skip
    if request.method == "GET":
        return respond(request, "notify/endpoint.html", context)
    try:
        create_endpoint(actor=actor, topics=chosen, **context["typed"])
    except (InvalidInputError, ConflictError) as error:
        return respond(request, "notify/endpoint.html", context | {"error": error}, status=error.http_status)
    return redirect("notify:wishes")


@require_POST
@room
def switch(request: HttpRequest, actor: Actor, endpoint_id: UUID) -> HttpResponse:
    """Switch an endpoint on or off."""
    switch_endpoint(actor=actor, endpoint_id=endpoint_id, is_on=request.POST.get("is_on") == "1")
    return redirect("notify:wishes")


@require_POST
@room
def delete(request: HttpRequest, actor: Actor, endpoint_id: UUID) -> HttpResponse:
    """Take an endpoint away."""
    delete_endpoint(actor=actor, endpoint_id=endpoint_id)
    return redirect("notify:wishes")


@room
def deliveries(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What was sent, newest first; `state` filters."""
    cursor, state = request.GET.get("cursor", ""), request.GET.get("state", "")
    page = deliveries_for(actor, state=state if state in STATES else "", cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [_row(delivery) for delivery in page.items], "older": page.next_cursor, "is_first": not cursor,
        "state": state, "states": [(one, one.replace("_", " ")) for one in STATES], "tab": "deliveries",
    }  # fmt: skip
    return respond(request, "notify/deliveries.html", context)


@room
def delivery(request: HttpRequest, actor: Actor, delivery_id: UUID) -> HttpResponse:
    """One delivery with its attempts."""
    found = delivery_for(actor, delivery_id)
    context = {
        **_row(found),
        "log": attempts_of(found),
        "tab": "deliveries",
        "can_admin": actor.can(Scope.ADMIN),
    }
    return respond(request, "notify/delivery.html", context)


@require_POST
@room
def send(request: HttpRequest, actor: Actor, delivery_id: UUID) -> HttpResponse:
    """Send it again, now."""
    send_again(actor=actor, delivery_id=delivery_id)
    messages.success(request, _("It is on its way again."))
    return redirect("notify:delivery", delivery_id)


def _row(found: Delivery) -> dict[str, Any]:
    return {"it": found, "chip": state_chip(found), "to": receiver_of(found)}
