"""The run list, its live rows, and the agents."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.dateparse import parse_datetime

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadQueryError
from runs.presenters.run_list import VIEWS, run_row, views
from runs.selectors.console.lists import agents_with_counts, runs_by_id, waits_of
from runs.selectors.paging import MAX_LIMIT, Page
from runs.selectors.runs import run_counts_for, run_list_for
from runs.selectors.system import agent_file_problems
from runs.views.base import respond, room

PAGE_ROWS = 50


@room
def home(request: HttpRequest, actor: Actor) -> HttpResponse:
    return redirect("runs:list")


@room
def run_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The runs of the team, newest first, narrowed by view, agent and words."""
    asked = _asked(request)
    try:
        page, problem = run_list_for(actor, **asked, limit=PAGE_ROWS), None
    except BadQueryError as error:
        page, problem = Page([], None), error
    waits = waits_of(actor, [run.id for run in page.items])
    for run in page.items:
        run.waiting_on = waits.get(run.id)
    context = {
        "rows": [run_row(run) for run in page.items],
        "older": page.next_cursor,
        "problem": problem,
        "views": views(run_counts_for(actor), request.GET.get("status", "")),
        "q": asked["text"],
        "agent": asked["agent"],
        "view": request.GET.get("status", ""),
        "is_first": not asked["cursor"],
        "is_narrowed": any(asked.values()),
        "can_start": actor.can(Scope.RUN),
        "agents": [] if page.items else agents_with_counts(actor),
        "since": page.items[0].created_at.isoformat() if page.items else "",
    }
    return respond(request, "runs/list.html", context, regions={"runs": "runs"})


@room
def run_rows(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Rows that are on somebody's page, as they are now, and how many newer ones there are."""
    runs = runs_by_id(actor, _ids(request.GET.get("ids", "")))
    context = {"rows": [run_row(run) for run in runs], "newer": _newer(request, actor), "patch": True}
    return respond(request, "runs/list.html#patch", context)


@room
def agent_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    can_start = actor.can(Scope.RUN)
    problems = agent_file_problems() if can_start else {}
    context = {"agents": agents_with_counts(actor), "can_start": can_start, "problems": problems}
    return respond(request, "runs/agents.html", context)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Return the arguments for run_list_for."""
    get = request.GET
    return {
        "statuses": _statuses(get.get("status", "")),
        "agent": get.get("agent", ""),
        "text": get.get("q", ""),
        "cursor": get.get("cursor", ""),
    }


def _statuses(name: str) -> Collection[str]:
    """Return the statuses of a view; a status by its own name is a view too, anything else finds nothing."""
    return VIEWS[name][1] if name in VIEWS else {name}


def _ids(listed: str) -> list[UUID]:
    found = []
    for text in listed.split(",")[:MAX_LIMIT]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _newer(request: HttpRequest, actor: Actor) -> int:
    """Return how many runs of the same list are newer than `since` (at most a page of them)."""
    if "since" not in request.GET:
        return 0
    since = parse_datetime(request.GET["since"] or "0001-01-01T00:00:00Z")
    try:
        page = run_list_for(actor, **_asked(request) | {"cursor": ""}, limit=PAGE_ROWS)
    except BadQueryError:
        return 0
    return sum(run.created_at > since for run in page.items) if since else 0
