"""The switches that pause an agent, or the team, whole."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import InvalidInputError
from runs.presenters import text
from runs.selectors.agents import agent_for
from runs.selectors.holdups import team_for
from runs.services.pause_agent import pause_agent
from runs.services.pause_team import pause_team
from runs.services.resume_agent import resume_agent
from runs.services.resume_team import resume_team
from runs.views.base import respond, room


@require_http_methods(["GET", "POST"])
@room
def agent_pause(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET asks why, POST pauses the agent."""
    actor.require(Scope.RUN)
    agent = agent_for(actor, slug)
    if request.method == "GET":
        return _ask(request, {"agent": agent})
    try:
        pause_agent(actor=actor, slug=slug, reason=request.POST.get("reason", ""))
    except InvalidInputError as error:
        return _ask(request, {"agent": agent}, error)
    messages.info(request, _("The agent %(slug)s is paused.") % {"slug": text.line(slug, 80)})
    return redirect("runs:agents")


@require_POST
@room
def agent_resume(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Let the agent go on."""
    resume_agent(actor=actor, slug=slug)
    messages.info(request, _("The agent %(slug)s goes on.") % {"slug": text.line(slug, 80)})
    return redirect("runs:agents")


@require_http_methods(["GET", "POST"])
@room
def team_pause(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET asks why, POST pauses the team."""
    actor.require(Scope.ADMIN)
    team = team_for(actor)
    if request.method == "GET":
        return _ask(request, {"team": team})
    try:
        pause_team(actor=actor, reason=request.POST.get("reason", ""))
    except InvalidInputError as error:
        return _ask(request, {"team": team}, error)
    messages.info(request, _("The team is paused."))
    return redirect("runs:limits")


@require_POST
@room
def team_resume(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Let the team go on."""
    resume_team(actor=actor)
    messages.info(request, _("The team goes on."))
    return redirect("runs:limits")


def _ask(request: HttpRequest, whom: dict[str, Any], error: InvalidInputError | None = None) -> HttpResponse:
    told = error.data["errors"][0]["message"] if error else ""
    context = {**whom, "reason": request.POST.get("reason", "")[:5000], "error": told}
    return respond(request, "runs/pause.html", context, status=422 if error else 200)
