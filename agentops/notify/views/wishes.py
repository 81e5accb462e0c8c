"""What one wants to be told of, over which channels, and when not."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import InvalidInputError
from agentops.notify.models import Preference
from agentops.notify.selectors import endpoints_for, preference_for
from agentops.notify.services.notify import channels_of
from agentops.notify.services.preferences import set_preference
from agentops.notify.topics import PERSONAL, Topic
from agentops.notify.words import TOPICS
from runs.services.checks import misfit
from runs.views.base import respond, room


@require_http_methods(["GET", "POST"])
@room
def wishes(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows what is chosen; POST changes it."""
    if request.method == "GET":
        return _page(request, actor)
    try:
        set_preference(
            actor=actor, channels={topic.value: request.POST.getlist(topic.value) for topic in Topic},
            quiet_from_minute=_minute(request.POST, "quiet_from"), quiet_until_minute=_minute(request.POST, "quiet_until"),
        )  # fmt: skip
    except InvalidInputError as error:
        return _page(request, actor, error=error)
    messages.success(request, _("Saved."))
    return redirect("notify:wishes")


def _page(request: HttpRequest, actor: Actor, error: InvalidInputError | None = None) -> HttpResponse:
    found = preference_for(actor)
    context: dict[str, Any] = {
        "topics": [_topic(topic, found) for topic in Topic], "channels": [channel.value for channel in PERSONAL],
        "quiet_from": _clock(found.quiet_from_minute if found else 0),
        "quiet_until": _clock(found.quiet_until_minute if found else 0), "error": error, "tab": "wishes",
        "can_admin": actor.can(Scope.ADMIN),
        "endpoints": endpoints_for(actor) if actor.can(Scope.ADMIN) else [],
    }  # fmt: skip
    return respond(request, "notify/wishes.html", context, status=error.http_status if error else 200)


def _topic(topic: Topic, found: Preference | None) -> dict[str, Any]:
    title, meaning = TOPICS[topic]
    chosen = channels_of(found, topic)
    return {
        "name": topic.value, "title": title, "meaning": meaning,
        "channels": [(channel.value, channel in chosen) for channel in PERSONAL],
    }  # fmt: skip


def _minute(posted: QueryDict, name: str) -> int:
    hour, _colon, minute = posted.get(name, "").partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and len(hour) == len(minute) == 2):
        raise misfit(f"/{name}", "must be a time of a day, such as 22:00")
    return int(hour) * 60 + int(minute)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
