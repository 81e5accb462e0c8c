"""What one was told in the app."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from agentops.accounts.roles import Actor
from agentops.notify.models import Delivery
from agentops.notify.selectors import bell_for, path_of
from agentops.notify.services.mark_read import mark_read
from agentops.notify.words import ICONS
from runs.views.base import respond, room

PAGE_ROWS = 50


@room
def bell(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The notices, newest first. Looking marks nothing as seen: whoever only fetches pages decides nothing."""
    cursor = request.GET.get("cursor", "")
    page = bell_for(actor, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [_row(delivery) for delivery in page.items], "older": page.next_cursor, "is_first": not cursor,
        "has_new": any(delivery.read_at is None for delivery in page.items), "tab": "bell",
    }  # fmt: skip
    return respond(request, "notify/bell.html", context)


@require_POST
@room
def read(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Mark one notice as seen, and go where it leads; or all of them."""
    named = request.POST.get("delivery", "")
    try:
        delivery_id = UUID(named) if named else None
    except ValueError:
        delivery_id = UUID(int=0)
    mark_read(actor=actor, delivery_id=delivery_id)
    return redirect((path_of(actor, delivery_id) if delivery_id else "") or "notify:bell")


def _row(delivery: Delivery) -> dict[str, object]:
    return {"it": delivery, "icon": ICONS[delivery.notice.topic]}
