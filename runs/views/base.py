"""What every page does: know who asks, tell times in their zone, answer htmx with the region it asked for."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from agentops.accounts.middleware import actor_of
from agentops.accounts.roles import Actor
from runs.selectors.system import SystemStatus, system_status

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def room(
    view: Callable[Concatenate[HttpRequest, Actor, P], R],
) -> Callable[Concatenate[HttpRequest, P], R]:
    """Make `view` a page for people who are signed in; it is called with who they are."""

    @wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        actor = actor_of(request)
        with timezone.override(_zone(request)):
            return view(request, actor, *args, **kwargs)

    return page


def respond(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    regions: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the page, or only the region that htmx wants to swap.

    Args:
        request: its HX-Target names the element to be replaced.
        template: the page; each region is a partial in it.
        context: what the template needs.
        regions: element id → name of the partial, or of a template of its own (`.html`).
        status: of the answer.
    """
    region = (
        (regions or {}).get(request.headers.get("HX-Target", "")) if "HX-Request" in request.headers else None
    )
    shown = {**context, "is_fragment": region is not None}
    response = render(request, _template(template, region), shown, status=status)
    patch_vary_headers(response, ("HX-Request", "HX-Target", "Cookie"))
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def system_of(request: HttpRequest) -> SystemStatus:
    """Return the state of clock and workers; asked once a request, for the rail and the notes alike."""
    if "_system" not in request.__dict__:
        request.__dict__["_system"] = system_status(with_broker=False)
    found: SystemStatus = request.__dict__["_system"]
    return found


def number_of(request: HttpRequest, name: str) -> int:
    """Return a parameter of the address that is a whole number from 0; 0 when it is none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _template(page: str, region: str | None) -> str:
    if region is None:
        return page
    return region if region.endswith(".html") else f"{page}#{region}"


def _zone(request: HttpRequest) -> ZoneInfo:
    try:
        return ZoneInfo(getattr(request.user, "time_zone", "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
