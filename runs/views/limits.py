"""Limits: the list with who has how much of the workers, one limit, and the form that sets one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.limits import LimitScope
from runs.presenters import text
from runs.presenters.limit_wire import limit_path
from runs.presenters.limits import SCOPES, limit_form, limit_row, number_form
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.holdups import team_for
from runs.selectors.limits import LimitUse, limit_for, limits_for, shares_for
from runs.services.remove_limit import remove_limit
from runs.services.set_limit import set_limit
from runs.views.base import respond, room

PAGE_ROWS = 100
SHOWN_AGENTS = 50


@room
def limit_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The team's switch, its limits, and which agents have runs that are executed or wait."""
    cursor = request.GET.get("cursor", "")
    page = limits_for(actor, cursor=cursor, limit=PAGE_ROWS)
    team = team_for(actor)
    context = {
        "rows": [limit_row(use) for use in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "shares": shares_for(actor, limit=SHOWN_AGENTS),
        "team": team,
        "can_edit": actor.can(Scope.ADMIN),
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/limits.html", context)


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of a scope, filled from the address; POST sets a limit that does not stand yet."""
    actor.require(Scope.ADMIN)
    asked = request.POST if request.method == "POST" else request.GET
    scope = str(asked.get("scope", ""))
    scope = scope if scope in set(LimitScope) else LimitScope.AGENT
    agents = [card.agent.slug for card in agents_with_counts(actor)]
    posted = request.POST if request.method == "POST" else None
    form = limit_form(
        scope, agents, posted, {"name": str(asked.get("name", ""))} if asked.get("name") else None
    )
    values = form.values if posted is not None else None
    status = 422 if posted is not None else 200
    if values is not None:
        name = str(values.get("name", ""))
        try:
            limit, _is_new = set_limit(
                actor=actor, scope=scope, name=name, max_running=_number(values), version=0
            )
            return redirect(limit_path(limit))
        except ConflictError:
            messages.info(request, _("There is a limit for it already: change that one."))
            return redirect(limit_path(limit_for(actor, scope, name).limit))
        except AgentOpsError as error:
            form.refuse(error)
    context = {"scope": scope, "scopes": SCOPES.items(), "form": form}
    return respond(request, "runs/limit_form.html", context, status=status)


@require_http_methods(["GET", "POST"])
@room
def limit_page(request: HttpRequest, actor: Actor, scope: str, name: str) -> HttpResponse:
    """GET shows what a limit does now, POST changes how many it lets in, unless somebody else has meanwhile."""
    use = limit_for(actor, scope, name)
    if request.method == "GET":
        return _page(request, actor, use)
    form = number_form(request.POST, use.limit.max_running)
    values = form.values
    if values is None:
        return _page(request, actor, use, form=form, status=422)
    try:
        set_limit(actor=actor, scope=scope, name=name, max_running=_number(values), version=_seen(request))
    except ConflictError as error:
        form.refuse(error)
        return _page(request, actor, limit_for(actor, scope, name), form=form, status=409)
    except AgentOpsError as error:
        form.refuse(error)
        return _page(request, actor, use, form=form, status=error.http_status)
    return redirect(limit_path(use.limit))


@require_POST
@room
def remove(request: HttpRequest, actor: Actor, scope: str, name: str) -> HttpResponse:
    """Remove a limit; one that was changed meanwhile is shown again."""
    try:
        remove_limit(actor=actor, scope=scope, name=name, version=_seen(request))
    except ConflictError as error:
        messages.error(request, text.line(error.detail, 400))
        return redirect(limit_path(limit_for(actor, scope, name).limit))
    messages.info(request, _("The limit for “%(name)s” is removed.") % {"name": text.line(name, 80)})
    return redirect("runs:limits")


def _page(
    request: HttpRequest, actor: Actor, use: LimitUse, *, form: object = None, status: int = 200
) -> HttpResponse:
    context = {
        "row": limit_row(use),
        "limit": use.limit,
        "form": form or number_form(None, use.limit.max_running),
        "can_edit": actor.can(Scope.ADMIN),
    }
    return respond(request, "runs/limit.html", context, status=status)


def _number(values: dict[str, object]) -> int:
    found = values.get("max_running")
    return found if isinstance(found, int) else 0


def _seen(request: HttpRequest) -> int:
    """Return the version that the form was made of; what is no number is nobody's."""
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
