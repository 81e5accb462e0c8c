"""How a person wants the console: their time zone, and what a browser remembers, the theme."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor
from agentops.accounts.services.set_time_zone import set_time_zone
from runs.timetable import ZoneError, parse_zone, zone_names
from runs.views.base import respond, room

YEAR_SECONDS = 365 * 24 * 3600


@require_http_methods(["GET", "POST"])
@room
def settings(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the person's time zone and theme; POST changes the zone."""
    typed, problem = request.POST.get("time_zone", "").strip(), ""
    if request.method == "POST":
        try:
            set_time_zone(actor=actor, zone=parse_zone(typed))
        except ZoneError as error:
            problem = str(error)
        else:
            messages.success(request, _("Times are shown in the zone %(zone)s now.") % {"zone": typed})
            return redirect("runs:settings")
    zone = typed or getattr(request.user, "time_zone", "UTC")
    context = {"zone": zone, "zones": sorted(zone_names()), "problem": problem, "clock": _clock(zone)}
    return respond(request, "runs/settings.html", context, status=422 if problem else 200)


def _clock(zone: str) -> datetime | None:
    """Return the time in the zone; None when there is no such zone."""
    if zone not in zone_names():
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in a cookie, so that the sign-in page and the first paint have it too."""
    back = request.POST.get("next", "/")
    response = HttpResponseRedirect(back if url_has_allowed_host_and_scheme(back, None) else "/")
    theme = request.POST.get("theme", "auto")
    if theme in ("auto", "light", "dark"):
        response.set_cookie("theme", theme, max_age=YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    return response
