"""Budgets: the list, one with its history, the form that sets one, and raising from a run's page."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.budgets import BudgetScope, Period
from runs.presenters import text
from runs.presenters.budget_wire import budget_path
from runs.presenters.budgets import (
    PERIODS,
    SCOPES,
    budget_row,
    history_words,
    hit_words,
    limits_form,
    limits_of,
    pairs_of,
    place_fields,
    preview_words,
    refuse,
)
from runs.presenters.event_forms import PlainForm
from runs.selectors.audit import entries_for
from runs.selectors.budgets import BudgetUse, budget_for, budgets_for, preview_for, use_of
from runs.selectors.console.lists import agents_with_counts
from runs.services.budget_limits import checked_limits, checked_place
from runs.services.create_budget import create_budget
from runs.services.delete_budget import delete_budget
from runs.services.raise_budget import raise_budget
from runs.services.update_budget import update_budget
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_CHANGES = 20
_NEW_SCOPES = (BudgetScope.TEAM, BudgetScope.AGENT, BudgetScope.EACH_RUN)


@room
def budget_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The budgets, with what is spent of each."""
    cursor, with_runs = request.GET.get("cursor", ""), "runs" in request.GET
    page = budgets_for(actor, with_runs=with_runs, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [budget_row(use) for use in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "with_runs": with_runs,
        "can_edit": actor.can(Scope.ADMIN),
    }
    return respond(request, "runs/budgets.html", context)


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of a scope; POST sets the budget, or with `preview` says what it would do."""
    actor.require(Scope.ADMIN)
    asked = request.POST if request.method == "POST" else request.GET
    scope = str(asked.get("scope", ""))
    scope = scope if scope in _NEW_SCOPES else BudgetScope.TEAM
    agents = [card.agent.slug for card in agents_with_counts(actor)]
    form = limits_form(request.POST if request.method == "POST" else None, {}, scope=scope, agents=agents)
    context: dict[str, Any] = {"scope": scope, "scopes": [(one, SCOPES[one]) for one in _NEW_SCOPES]}
    values = form.values if request.method == "POST" else None
    if values is None:
        return _form_page(request, form, context, status=422 if request.method == "POST" else 200)
    place: dict[str, Any] = {
        "scope": scope,
        "name": str(values.get("name") or ""),
        "period": str(values.get("period") or Period.FOREVER),
    }
    try:
        if "preview" in request.POST:
            return _form_page(request, form, context | _preview(actor, place, values))
        made = create_budget(actor=actor, limits=limits_of(values), **place)
    except AgentOpsError as error:
        refuse(form, error)
        return _form_page(request, form, context, status=error.http_status)
    return redirect(budget_path(made))


@require_http_methods(["GET", "POST"])
@room
def budget_page(request: HttpRequest, actor: Actor, budget_id: UUID) -> HttpResponse:
    """One budget: what is spent, who changed it; POST changes its limits, or with `preview` says what that would do."""
    use = use_of(actor, budget_for(actor, budget_id))
    if request.method == "GET":
        return _page(request, actor, use)
    actor.require(Scope.ADMIN)
    form = limits_form(request.POST, {})
    values = form.values
    if values is None:
        return _page(request, actor, use, form=form, status=422)
    budget = use.budget
    try:
        if "preview" in request.POST:
            scope = BudgetScope.EACH_RUN if BudgetScope(budget.scope).is_of_run else budget.scope
            place = {
                "scope": scope,
                "name": budget.agent.slug if budget.agent else "",
                "period": budget.period,
            }
            return _page(request, actor, use, form=form, **_preview(actor, place, values))
        update_budget(actor=actor, budget_id=budget_id, limits=limits_of(values), version=_seen(request))
    except AgentOpsError as error:
        refuse(form, error)
        now = use_of(actor, budget_for(actor, budget_id))
        return _page(request, actor, now, form=form, status=error.http_status)
    messages.info(
        request, _("The limits are changed. Runs that it had paused go on where there is enough now.")
    )
    return redirect(budget_path(budget))


@require_POST
@room
def remove(request: HttpRequest, actor: Actor, budget_id: UUID) -> HttpResponse:
    """Remove a budget; one that was changed meanwhile is shown again."""
    try:
        delete_budget(actor=actor, budget_id=budget_id, version=_seen(request))
    except ConflictError as error:
        messages.error(request, text.line(error.detail, 400))
        return redirect("budgets:budget", budget_id)
    messages.info(request, _("The budget is removed. Runs that it had paused go on."))
    return redirect("budgets:list")


@require_POST
@room
def raise_it(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Raise the budget that has paused the run by what the page proposed; press it twice, and the second finds nothing to do."""
    try:
        _run, n = raise_budget(actor=actor, run_id=run_id)
    except ConflictError as error:
        messages.error(request, text.line(error.detail, 400))
        return redirect("runs:run", run_id)
    told = ngettext("The budget is raised; %(n)s run goes on.", "The budget is raised; %(n)s runs go on.", n)
    messages.info(request, told % {"n": text.number(n)})
    return redirect("runs:run", run_id)


def _form_page(
    request: HttpRequest, form: PlainForm, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    shown = context | {
        "form": form,
        "pairs": pairs_of(form),
        "places": place_fields(form),
        "periods": PERIODS,
    }
    return respond(request, "runs/budget_form.html", shown, status=status)


def _page(
    request: HttpRequest, actor: Actor, use: BudgetUse, *, form: PlainForm | None = None, status: int = 200, **more: Any
) -> HttpResponse:  # fmt: skip
    form = form or limits_form(None, use.budget.limits)
    can_edit = actor.can(Scope.ADMIN)
    entries = (
        entries_for(actor, query=f"subject:{use.budget.pk}", limit=SHOWN_CHANGES).items if can_edit else []
    )
    context = {
        "row": budget_row(use), "budget": use.budget, "form": form, "pairs": pairs_of(form), "can_edit": can_edit,
        "changes": [(entry, history_words(entry)) for entry in entries], **more,
    }  # fmt: skip
    return respond(request, "runs/budget.html", context, status=status)


def _preview(actor: Actor, place: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    agent = checked_place(actor, place["scope"], place["name"], place["period"])
    limits: Any = checked_limits(limits_of(values))
    found = preview_for(actor, scope=place["scope"], agent=agent, period=place["period"], limits=limits)
    return {
        "told": preview_words(found),
        "hits": [(hit, hit_words(hit.spent, hit.reached)) for hit in found.hits],
    }


def _seen(request: HttpRequest) -> int:
    """Return the version that the form was made of; what is no number is nobody's."""
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
