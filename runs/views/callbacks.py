"""The tab that shows what was told of a run's ends, and the page of the team's signing secret."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from runs.presenters.callbacks import callback_words
from runs.selectors.callbacks import callback_secrets_for, callbacks_for
from runs.selectors.runs import run_for
from runs.services.renew_callback_secret import renew_callback_secret
from runs.services.send_callback_again import send_callback_again
from runs.views.base import respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html"}


@room
def callbacks(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The callbacks of a run, the newest end first, each with the log of its attempts."""
    return _page(request, actor, run_id)


@require_http_methods(["POST"])
@room
def send_again(request: HttpRequest, actor: Actor, run_id: UUID, callback_id: UUID) -> HttpResponse:
    """Sends a callback again; while an attempt is under way the page says so."""
    try:
        send_callback_again(actor=actor, run_id=run_id, callback_id=callback_id)
    except ConflictError:
        return _page(request, actor, run_id, is_busy=True)
    return redirect("runs:callbacks", run_id)


@require_http_methods(["GET", "POST"])
@room
def secret(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET tells when the team's signing secrets were made; POST makes a new one and shows it, this once."""
    told = renew_callback_secret(actor=actor)[1] if request.method == "POST" else ""
    context = {"secrets": callback_secrets_for(actor), "told": told, "can_renew": actor.can(Scope.ADMIN)}
    response = respond(request, "runs/callback_secret.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, actor: Actor, run_id: UUID, *, is_busy: bool = False) -> HttpResponse:
    run = run_for(actor, run_id)
    page = callbacks_for(actor, run_id, cursor=request.GET.get("cursor", ""))
    context = {
        "run": run,
        "tab": "callbacks",
        "callbacks": [callback_words(log) for log in page.items],
        "older": page.next_cursor,
        "is_busy": is_busy,
    }
    context |= head_context(request, actor, run)
    return respond(request, "runs/callbacks.html", context, regions=REGIONS, status=409 if is_busy else 200)
