"""Signing in by a link, and choosing the team to work in."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.middleware import TEAM_SESSION_KEY, actor_of
from agentops.accounts.selectors import membership_for
from agentops.accounts.services.use_sign_in_link import use_sign_in_link


@never_cache
@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a button on GET, so that whoever merely looks at links does not use them up; sign in on POST."""
    if request.method != "POST":
        return render(request, "accounts/sign_in.html")
    user = use_sign_in_link(secret=secret)
    if user is None:
        return render(request, "accounts/sign_in_refused.html", status=410)
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return redirect("/")


@require_POST
def choose_team(request: HttpRequest) -> HttpResponse:
    """Go on in another team of the person's, on the page they came from."""
    membership = membership_for(actor_of(request), _uuid(request.POST.get("team", "")))
    request.session[TEAM_SESSION_KEY] = str(membership.team_id)
    following = request.POST.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(
        following, {request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(following if is_ours else "/")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
