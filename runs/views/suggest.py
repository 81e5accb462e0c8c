"""Suggestions for the query that is being typed."""

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from agentops.common.query import MAX_CHARACTERS
from runs.search.suggest import Spot, spot_at
from runs.selectors.console.suggestions import suggestions_for
from runs.views.base import respond, room


@room
def suggest(request: HttpRequest, actor: Actor) -> HttpResponse:
    spot = spot_in(request)
    context = {"spot": spot, "options": suggestions_for(actor, spot)}
    return respond(request, "runs/_suggest.html", context)


def spot_in(request: HttpRequest) -> Spot:
    """Return what is being typed: the query `q`, with the cursor `at`."""
    text = request.GET.get("q", "")[:MAX_CHARACTERS].replace("\0", "")
    at = request.GET.get("at", "")
    return spot_at(text, int(at) if at.isdecimal() and len(at) < 6 else len(text))
