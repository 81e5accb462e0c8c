"""The actor of a request, and what a page answers when an error of ours reaches it."""

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject
from django.views import defaults
from django_htmx.http import HttpResponseClientRedirect

from agentops.accounts.models import User
from agentops.accounts.roles import Actor
from agentops.accounts.selectors import actor_of_user
from agentops.common.errors import AgentOpsError, NotAllowedError, NotAuthenticatedError, NotFoundError

TEAM_SESSION_KEY = "team_id"


def actor_of(request: HttpRequest) -> Actor:
    """Return who is asking, in the team they chose.

    Raises: NotAuthenticatedError when nobody is signed in, NotAllowedError when the person is in no team.
    """
    if not isinstance(request.user, User):
        raise NotAuthenticatedError
    actor = maybe_actor_of(request)
    if actor is None:
        raise NotAllowedError(f"{request.user} is a member of no team; ask an admin to add you to one")
    return actor


def caller_of(request: HttpRequest) -> Actor:
    """Return who calls the API, as its authentication found them."""
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def maybe_actor_of(request: HttpRequest) -> Actor | None:
    """Return who is asking; None for a visitor and for a person in no team. One query a request."""
    if "_actor" not in request.__dict__:
        request.__dict__["_actor"] = _actor(request)
    found: Actor | None = request.__dict__["_actor"]
    return found


def forget_actor(request: HttpRequest) -> None:
    """Let the next call of actor_of look again: the person or their team has just changed."""
    request.__dict__.pop("_actor", None)


class ActorMiddleware:
    """Give templates `request.actor` (Python code calls actor_of) and pages their error answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.__dict__["actor"] = SimpleLazyObject(lambda: maybe_actor_of(request))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page for an error of ours that a view let pass; None leaves it to Django."""
        if isinstance(error, NotAuthenticatedError):
            return _to_sign_in(request)
        if isinstance(error, NotAllowedError):
            return defaults.permission_denied(request, error)
        if isinstance(error, NotFoundError):
            return defaults.page_not_found(request, error)
        if isinstance(error, AgentOpsError | DataError):
            return _refused(request, error)
        return None


def _actor(request: HttpRequest) -> Actor | None:
    # An address refused before anybody was looked up has no user; its error page asks all the same.
    if not isinstance(getattr(request, "user", None), User):
        return None
    assert isinstance(request.user, User)
    chosen = request.session.get(TEAM_SESSION_KEY)
    return actor_of_user(request.user, UUID(chosen) if chosen else None)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if not getattr(request, "htmx", False):
        return redirect_to_login(request.get_full_path())
    here = request.headers.get("HX-Current-URL", request.get_full_path())
    return HttpResponseClientRedirect(redirect_to_login(here)["Location"])


def _refused(request: HttpRequest, error: AgentOpsError | DataError) -> HttpResponse | None:
    """Return the page for a request that does not fit, such as a form field with a NUL, which no column holds."""
    status, detail = (error.http_status, error.detail) if isinstance(error, AgentOpsError) else (400, "")
    return None if status >= 500 else render(request, "400.html", {"exception": detail}, status=status)
