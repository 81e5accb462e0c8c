"""What a browser remembers: the theme."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

YEAR_SECONDS = 365 * 24 * 3600


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in a cookie, so that the sign-in page and the first paint have it too."""
    back = request.POST.get("next", "/")
    response = HttpResponseRedirect(back if url_has_allowed_host_and_scheme(back, None) else "/")
    theme = request.POST.get("theme", "auto")
    if theme in ("auto", "light", "dark"):
        response.set_cookie("theme", theme, max_age=YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    return response
