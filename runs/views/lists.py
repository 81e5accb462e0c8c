"""The run list, its live rows, its chart and facets, and the agents."""

import re
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadQueryError
from runs.presenters.peek import peek_of
from runs.presenters.run_columns import COLUMNS, chosen_columns
from runs.presenters.run_list import run_row
from runs.presenters.run_search import (
    Address,
    chart,
    facet_links,
    narrowed,
    saved_links,
    stuck_view,
    terms,
    views,
    without_time,
    zooms,
)
from runs.selectors.console.found_overview import overview_for
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.console.stuck import n_stuck_runs
from runs.selectors.holdups import note_holdups
from runs.selectors.paging import MAX_LIMIT, instant
from runs.selectors.runs import RunPage, count_newer_for, run_counts_for, run_list_for, runs_in_order
from runs.selectors.saved_views import views_for
from runs.selectors.system import agent_file_problems
from runs.services.read_texts import seconds_behind
from runs.views.base import respond, room

PAGE_ROWS = 50
_READ_LATER = re.compile(r"\b(?:content:|state\.)")
_REGIONS = {"runs": "runs", "peek": "peek"}


@room
def run_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The runs of the team that the query finds, newest first; the address is all there is to know of the page."""
    if "status" in request.GET or "agent" in request.GET:
        get = request.GET
        query = narrowed(get.get("q", ""), get.get("status", ""), get.get("agent", ""))
        return redirect(f"{request.path}{_address(request).to(query)}")
    saved = views_for(actor)
    opening = next((view for view in saved if view.is_default and view.owner_id == actor.user_id), None)
    if opening and not request.GET:
        return redirect(
            f"{request.path}{Address(opening.query, ','.join(opening.columns)).to(opening.query)}"
        )
    at = _address(request)
    context = _found(request, actor, at) | {
        "views": [*views(run_counts_for(actor), at), *stuck_view(n_stuck_runs(actor), at)],
        "reader_is_behind": _READ_LATER.search(at.text) and seconds_behind(),
        "saved": saved_links(saved, at),
        "can_run": actor.can(Scope.RUN),
        "peek": _peek(request, actor),
    }
    return respond(request, "runs/list.html", context, regions=_REGIONS)


@room
def run_rows(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Rows that are on somebody's page, as they are now, and how many newer ones there are."""
    columns = _columns(request)
    runs = runs_in_order(actor, _ids(request.GET.get("ids", "")))
    note_holdups(actor, runs)
    rows = [run_row(run, columns) for run in runs]
    can_run = actor.can(Scope.RUN)
    context = {"rows": rows, "newer": _newer(request, actor), "patch": True, "can_run": can_run}
    return respond(request, "runs/list.html#patch", context)


@room
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """When the runs were created that the query finds, and how many have which values."""
    at = _address(request)
    found = overview_for(actor, at.text)
    context = {
        "chart": chart(found.histogram, at) if found.histogram else None,
        "facets": facet_links(found.facets, at) if found.histogram or at.text else [],
        "zooms": zooms(at),
        "q": at.text,
    }
    return respond(request, "runs/list_overview.html", context, regions={"overview": "overview"})


@room
def agent_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    can_start = actor.can(Scope.RUN)
    problems = agent_file_problems() if can_start else {}
    context = {
        "agents": agents_with_counts(actor),
        "can_start": can_start,
        "problems": problems,
        "can_edit": actor.can(Scope.ADMIN),
    }
    return respond(request, "runs/agents.html", context)


def _found(request: HttpRequest, actor: Actor, at: Address) -> dict[str, Any]:
    """Return the rows and what the page says around them."""
    cursor, columns = request.GET.get("cursor", ""), _columns(request)
    try:
        page, problem = run_list_for(actor, text=at.text, cursor=cursor, limit=PAGE_ROWS), None
    except BadQueryError as error:
        page, problem = RunPage([], None), error
    note_holdups(actor, page.items)
    is_newest_first = "sort:" not in at.text
    return {
        "rows": [run_row(run, columns) for run in page.items],
        "columns": columns,
        "choices": [(column, column in columns) for column in COLUMNS.values()],
        "older": page.next_cursor,
        "looked_back_to": page.looked_back_to,
        "problem": problem,
        "q": at.text,
        "terms": terms(at),
        "all_times": "" if problem or page.items else _elsewhen(actor, at),
        "is_first": not cursor and is_newest_first,
        "can_start": actor.can(Scope.RUN),
        "agents": [] if page.items or at.text else agents_with_counts(actor),
        "since": page.items[0].created_at.isoformat() if page.items else "",
    }


def _elsewhen(actor: Actor, at: Address) -> str:
    """Return the address of the query without its times, when that finds anything."""
    bare = without_time(at)
    return "" if bare is None or not run_list_for(actor, text=bare, limit=1).items else at.to(bare)


def _address(request: HttpRequest) -> Address:
    return Address(request.GET.get("q", ""), ",".join(_named_columns(request)))


def _named_columns(request: HttpRequest) -> list[str]:
    """Return the names of columns: in one parameter with commas, or one parameter each, as a form sends them."""
    return [name for listed in request.GET.getlist("cols") for name in listed.split(",") if name in COLUMNS]


def _columns(request: HttpRequest) -> list[Any]:
    return chosen_columns(_named_columns(request))


def _peek(request: HttpRequest, actor: Actor) -> Any:
    found = runs_in_order(actor, _ids(request.GET.get("peek", ""))[:1])
    return peek_of(found[0]) if found else None


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
    try:
        since = instant(request.GET["since"] or "0001-01-02T00:00:00Z")
        return count_newer_for(actor, request.GET.get("q", ""), since=since, limit=PAGE_ROWS)
    except (BadQueryError, ValueError):
        return 0
