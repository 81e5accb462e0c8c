"""The pages Home and Dashboards."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor, Scope
from agentops.home.needs import needs_of
from approvals.selectors.sla import report_for
from runs.presenters import dashboard as shown
from runs.presenters.budgets import budget_row
from runs.presenters.run_columns import chosen_columns
from runs.presenters.run_list import RunRow, run_row
from runs.selectors.budgets import budgets_for
from runs.selectors.console.dashboard import numbers_for, queue_for
from runs.selectors.holdups import note_holdups
from runs.selectors.runs import run_list_for
from runs.selectors.schedules import database_now
from runs.views.base import respond, room, system_of

SHOWN_BUDGETS = 6
SHOWN_RUNS = 6
OPEN = "is:open"
_REGIONS = {"home": "home"}


@room
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What needs the person, and the last day."""
    context = _numbers(request, actor, shown.SPANS[0]) | {
        "needs": needs_of(actor, system_of(request)),
        "open_runs": _open_runs(actor),
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "home.html", context, regions=_REGIONS)


@room
def dashboards(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Success, latency, cost, queue, workers, budgets and deadlines of a time, on one page."""
    span = shown.span_of(request.GET.get("span", ""))
    context = _numbers(request, actor, span) | {
        "spans": shown.SPANS,
        "span": span,
        "budgets": [budget_row(use) for use in budgets_for(actor, limit=SHOWN_BUDGETS).items],
        "queues": report_for(actor, days=30),
    }
    return respond(request, "dashboards.html", context)


def _open_runs(actor: Actor) -> list[RunRow]:
    runs = run_list_for(actor, text=OPEN, limit=SHOWN_RUNS).items
    note_holdups(actor, runs)
    return [run_row(run, chosen_columns([])) for run in runs]


def _numbers(request: HttpRequest, actor: Actor, span: shown.Span) -> dict[str, Any]:
    found = numbers_for(actor, shown.edges_of(span, database_now()))
    return {
        "tiles": shown.tiles_of(found, queue_for(actor), system_of(request)),
        "bars": shown.stretches_of(found),
        "first": found.edges[0],
        "last": found.edges[-1],
        "p50": shown.line_of(found, "p50_seconds"),
        "p95": shown.line_of(found, "p95_seconds"),
        "longest": shown.longest_of(found),
        "agents": shown.agent_rows(found),
        "cut": shown.cut_words(found),
        "has_runs": found.total.n > 0,
        "width": shown.WIDTH,
        "height": shown.HEIGHT,
    }
