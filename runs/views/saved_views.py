"""Saved views of the run list: save one, list them, delete one."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor
from agentops.common.errors import BadQueryError, InvalidInputError
from runs.presenters.run_columns import COLUMNS
from runs.presenters.run_search import Address
from runs.selectors.saved_views import views_for
from runs.services.delete_view import delete_view
from runs.services.save_view import MAX_NAME_CHARACTERS, save_view
from runs.views.base import respond, room


@require_http_methods(["GET", "POST"])
@room
def save(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET asks for a name for the query and columns of the address, POST saves them."""
    given = request.GET if request.method == "GET" else request.POST
    names = [name for listed in given.getlist("cols") for name in listed.split(",") if name in COLUMNS]
    at = Address(given.get("q", ""), ",".join(names))
    if request.method == "GET":
        return _ask(request, at)
    try:
        save_view(
            actor=actor, name=given.get("name", ""), query=at.text, columns=names,
            is_shared="shared" in given, is_default="default" in given,
        )  # fmt: skip
    except (InvalidInputError, BadQueryError) as error:
        return _ask(request, at, error=error.detail, status=422)
    return redirect(f"{reverse('runs:list')}{at.to(at.text)}")


@room
def views(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The views that the person may open, of which their own can be deleted."""
    found = [(view, Address(view.query, ",".join(view.columns)).to(view.query)) for view in views_for(actor)]
    return respond(request, "runs/views.html", {"found": found, "user_id": actor.user_id})


@require_POST
@room
def delete(request: HttpRequest, actor: Actor, view_id: UUID) -> HttpResponse:
    delete_view(actor=actor, view_id=view_id)
    return redirect("runs:views")


def _ask(request: HttpRequest, at: Address, *, error: str = "", status: int = 200) -> HttpResponse:
    context = {"at": at, "q": at.text, "error": error, "typed": request.POST, "longest": MAX_NAME_CHARACTERS}
    return respond(request, "runs/save_view.html", context, status=status)
