"""Deciding about open requests of one sort at once. Looking at them decides nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor
from agentops.common.errors import AgentOpsError, InvalidInputError, NotFoundError
from approvals.models import Request
from approvals.presenters.case import STATUS, alike_title, row_of
from approvals.presenters.posted import picked_of
from approvals.selectors.requests import alike_for, n_others_alike, request_for
from approvals.services.decide import standing_of
from approvals.services.decide_many import MAX_AT_ONCE, decide_many, one_by_one
from runs.views.base import respond, room


@require_http_methods(["GET", "POST"])
@room
def alike(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """GET lists them; POST decides about those that are ticked, and tells of each what became of it."""
    found = request_for(actor, request_id)
    if request.method == "GET":
        return _ask(request, actor, found)
    ticked = request.POST.getlist("item")
    verdict, reason = request.POST.get("type", ""), request.POST.get("reason", "").strip()
    if not ticked or (verdict == "reject" and not reason):
        told = (
            _("Say why: the agents and the history are told.") if ticked else _("Tick at least one request.")
        )
        return _ask(request, actor, found, ticked=ticked, trouble=told, reason=reason, status=422)
    try:
        done = decide_many(actor=actor, picked=picked_of(ticked), verdict=verdict, message=reason)
    except (InvalidInputError, NotFoundError) as error:
        return _ask(request, actor, found, ticked=ticked, trouble=_words(error), reason=reason, status=422)
    results = [(row_of(one, me=actor.user_id), STATUS[one.status], problem) for one, problem in done]
    n_done = sum(not problem for _row, _chip, problem in results)
    context = {"here": found, "about": alike_title(found), "results": results, "n_done": n_done,
               "n_left": n_others_alike(actor, found) + (found.status == "pending")}  # fmt: skip
    return respond(request, "approvals/alike.html", context)


def _ask(
    request: HttpRequest, actor: Actor, found: Request, *, ticked: Sequence[str] = (), status: int = 200, **more: Any
) -> HttpResponse:  # fmt: skip
    rows = alike_for(actor, found, limit=MAX_AT_ONCE) if found.status == "pending" else []
    items = [(row_of(one, me=actor.user_id), f"{one.pk} {one.version} {one.args_digest}") for one in rows]
    chosen = {item.partition(" ")[0] for item in ticked}
    standing = standing_of(found, actor) if rows else None
    context = {
        "here": found, "about": alike_title(found), "n_all": n_others_alike(actor, found) + len(rows[:1]),
        "rows": [(row, item, not ticked or str(row.request.pk) in chosen) for row, item in items],
        "one_by_one": one_by_one(found), "why_not": standing.why_not if standing else "", **more,
    }  # fmt: skip
    return respond(request, "approvals/alike.html", context, status=status)


def _words(error: AgentOpsError) -> str:
    """Return the sentence of the one place that does not fit, without where that is in the call."""
    told = [one["message"] for one in error.data.get("errors", [])]
    return str(told[0]) if told else error.detail
