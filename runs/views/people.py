"""Settings of a team: its people, their roles, tokens for programs, and which team one works in."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agentops.accounts.models import User
from agentops.accounts.roles import ROLE_SCOPES, Actor, Role, Scope
from agentops.accounts.selectors import members_for, membership_for, memberships_of, tokens_for
from agentops.accounts.services.change_member import change_role, remove_member, renew_sign_in_link
from agentops.accounts.services.create_token import create_token
from agentops.accounts.services.invite_member import invite_member
from agentops.accounts.services.revoke_token import revoke_token
from agentops.common.errors import AgentOpsError, InvalidInputError, NotFoundError
from runs.views.base import respond, room

ROLES = {
    Role.VIEWER: gettext_lazy("sees everything and changes nothing"),
    Role.OPERATOR: gettext_lazy("starts and moves runs"),
    Role.REVIEWER: gettext_lazy("decides requests"),
    Role.ADMIN: gettext_lazy("does all of it, and sets people, policies and keys"),
}
SCOPES = {
    Scope.READ: gettext_lazy("see runs"),
    Scope.RUN: gettext_lazy("start and move runs"),
    Scope.REVIEW: gettext_lazy("read requests; decisions are for people"),
    Scope.ADMIN: gettext_lazy("set policies and limits"),
}
LIVES = {"30": gettext_lazy("30 days"), "90": gettext_lazy("90 days"), "365": gettext_lazy("a year"), "": gettext_lazy("no end")}  # fmt: skip
DAY = timedelta(days=1)
NAME_LENGTH = 100


@never_cache
@require_http_methods(["GET", "POST"])
@room
def people(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET lists the members; POST takes somebody in and shows their link, this once."""
    told, problems, link = request.POST, {}, ""
    if request.method == "POST":
        try:
            found = invite_member(actor=actor, email=told.get("email", ""), name=told.get("name", ""), role=told.get("role", ""))  # fmt: skip
        except InvalidInputError as error:
            problems = _by_field(error)
        except AgentOpsError as error:
            problems = {"email": error.detail}
        else:
            messages.success(request, _("%(name)s is a member now.") % {"name": found.membership.user})
            if not found.sign_in_path:
                return redirect("runs:people")
            link = request.build_absolute_uri(found.sign_in_path)
    return _people(request, actor, link=link, problems=problems)


@never_cache
@require_POST
@room
def change_person(request: HttpRequest, actor: Actor, user_id: int) -> HttpResponse:
    """Give a role, take out of the team, or make a new link for somebody who never came in."""
    verb = request.POST.get("verb", "role")
    try:
        if verb == "link":
            path = renew_sign_in_link(actor=actor, user_id=user_id)
            return _people(request, actor, link=request.build_absolute_uri(path))
        if verb == "remove":
            remove_member(actor=actor, user_id=user_id)
            messages.success(request, _("They are no member any more, and their tokens stopped working."))
        else:
            member = change_role(actor=actor, user_id=user_id, role=request.POST.get("role", ""))
            messages.success(request, _("%(name)s is %(role)s now.") % {"name": member.user, "role": member.role})  # fmt: skip
    except NotFoundError:
        raise
    except AgentOpsError as error:
        messages.error(request, error.detail)
    return redirect("runs:people")


@never_cache
@require_http_methods(["GET", "POST"])
@room
def tokens(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET lists tokens; POST makes one and shows its secret, this once."""
    secret, problem = "", ""
    if request.method == "POST":
        try:
            secret = _token(request, actor)
        except AgentOpsError as error:
            problem = error.detail
    mine = membership_for(actor, actor.team_id)
    scopes = [(scope, SCOPES[scope]) for scope in Scope if scope in ROLE_SCOPES[Role(mine.role)]]
    context = {
        "tokens": tokens_for(actor), "secret": secret, "problem": problem, "scopes": scopes, "lives": LIVES.items(),
        "name": request.POST.get("name", "") if problem else "", "chosen": request.POST.getlist("scopes") or [Scope.READ, Scope.RUN],
    }  # fmt: skip
    return respond(request, "runs/tokens.html", context, status=422 if problem else 200)


@require_POST
@room
def revoke(request: HttpRequest, actor: Actor, token_id: UUID) -> HttpResponse:
    """Make a token stop working at once."""
    revoke_token(actor=actor, token_id=token_id)
    messages.success(request, _("The token stopped working."))
    return redirect("runs:tokens")


@require_safe
@room
def teams(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The person's teams, to go on in another."""
    assert isinstance(request.user, User)
    return respond(
        request, "runs/teams.html", {"memberships": memberships_of(request.user), "here": actor.team_id}
    )


@require_safe
@room
def administration(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Where an admin sets what."""
    actor.require(Scope.ADMIN)
    return respond(request, "runs/administration.html", {})


def _people(
    request: HttpRequest, actor: Actor, *, link: str = "", problems: dict[str, str] | None = None
) -> HttpResponse:
    told: Any = request.POST if problems else {}
    context = {
        "members": members_for(actor), "link": link, "problems": problems or {}, "roles": ROLES.items(), "me": actor.user_id,
        "can_edit": actor.can(Scope.ADMIN), "email": told.get("email", ""), "name": told.get("name", ""), "role": told.get("role", Role.OPERATOR),
    }  # fmt: skip
    return respond(request, "runs/people.html", context, status=422 if problems else 200)


def _token(request: HttpRequest, actor: Actor) -> str:
    name, days = request.POST.get("name", "").strip(), request.POST.get("days", "")
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidInputError(_("A token needs a name of at most %(n)s characters.") % {"n": NAME_LENGTH})
    if days not in LIVES:
        raise InvalidInputError(_("Choose how long it works."))
    membership = membership_for(actor, actor.team_id)
    valid_seconds = int(days) * int(DAY.total_seconds()) if days else None
    return create_token(membership=membership, name=name, scopes=request.POST.getlist("scopes"), valid_seconds=valid_seconds)[1]  # fmt: skip


def _by_field(error: InvalidInputError) -> dict[str, str]:
    return {str(one["pointer"])[1:]: str(one["message"]) for one in error.data["errors"]}
