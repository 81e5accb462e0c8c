"""What runs are stuck with: kinds of trouble, one kind with its episodes, and what people decide about it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadQueryError, BadRequestError
from runs.presenters.stuck import (
    STATES,
    ended_row,
    episode_row,
    kind_row,
    onset_bars,
    reason_chip,
    remedies,
    where_of,
)
from runs.selectors.console.stuck import (
    VIEWS,
    endings_for,
    episodes_for,
    kind_for,
    kinds_for,
    n_held_up,
    onset_for,
    onset_since,
)
from runs.selectors.run_query import asker_of
from runs.services.decide_stuck_kind import decide_stuck_kind
from runs.views.base import respond, room

PAGE_ROWS = 50


@room
def stuck(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The kinds of one view, the newest first; with `q`, those with an episode that it finds."""
    view, query = request.GET.get("view", ""), request.GET.get("q", "").strip()
    view = view if view in VIEWS else ("any" if query else "open")
    cursor = request.GET.get("cursor", "")
    context: dict[str, object] = {
        "view": view,
        "q": query,
        "is_first": not cursor,
        "runs_query": f"stuck({query})",
    }
    try:
        page = kinds_for(actor, view=view, text=query, cursor=cursor)
    except BadQueryError as error:
        context |= {"error": error.detail, "suggestion": error.data.get("suggestion", "")}
        return respond(request, "runs/stuck.html", context, regions={"stuck": "stuck"}, status=400)
    context |= {"rows": [kind_row(kind, query=query) for kind in page.items], "older": page.next_cursor}
    return respond(request, "runs/stuck.html", context, regions={"stuck": "stuck"})


@room
def stuck_kind(request: HttpRequest, actor: Actor, fingerprint: str) -> HttpResponse:
    """One kind: when it began, whom it holds up, what ended it before, and remedies for one or for all."""
    kind, query, cursor = (
        kind_for(actor, fingerprint),
        request.GET.get("q", "").strip(),
        request.GET.get("cursor", ""),
    )
    context: dict[str, object] = {"q": query, "is_first": not cursor, "can_run": actor.can(Scope.RUN)}
    try:
        page = episodes_for(actor, fingerprint, text=query, cursor=cursor, limit=PAGE_ROWS)
    except BadQueryError as error:
        return redirect_without_query(request, error)
    now, onset = asker_of(actor).now, onset_for(actor, kind)
    context |= {
        "kind": kind, "reason": reason_chip(kind.reason), "state": STATES[kind.state], "where": where_of(kind),
        "bars": onset_bars(onset), "since": onset_since(onset), "until": onset.until, "n_open": n_held_up(actor, fingerprint),
        "endings": [ended_row(found) for found in endings_for(actor, fingerprint)], "remedies": remedies(fingerprint, query),
        "rows": [episode_row(it, now) for it in page.items], "older": page.next_cursor, "now": now,
    }  # fmt: skip
    return respond(request, "runs/stuck_kind.html", context, regions={"stuck-kind": "stuck-kind"})


def redirect_without_query(request: HttpRequest, error: BadQueryError) -> HttpResponse:
    """Show the list, which says what is wrong with the query."""
    context = {"view": "any", "q": request.GET.get("q", ""), "is_first": True, "error": error.detail}
    context["suggestion"] = error.data.get("suggestion", "")
    return respond(request, "runs/stuck.html", context, status=400)


@require_POST
@room
def decide(request: HttpRequest, actor: Actor, fingerprint: str) -> HttpResponse:
    """Resolve, ignore or take up a kind, or write down what helps."""
    state = request.POST.get("state")
    if state is not None and state not in STATES:
        raise BadRequestError(f"a kind is one of {', '.join(STATES)}", parameter="state")
    decide_stuck_kind(actor=actor, fingerprint=fingerprint, state=state, note=request.POST.get("note"))  # type: ignore[arg-type]  # looked up above
    return redirect("runs:stuck-kind", fingerprint)
