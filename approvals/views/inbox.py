"""The desk: what waits for people on the left, one request on the right."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import (
    AgentOpsError,
    BadQueryError,
    ConflictError,
    InvalidInputError,
    NotAllowedError,
)
from approvals.models import Request
from approvals.presenters.case import (
    Case,
    case_of,
    change_lines,
    decision_lines,
    refuse,
    row_of,
    turn_places,
    vote_notes,
)
from approvals.presenters.clock import clock_of
from approvals.presenters.posted import choice_of
from approvals.selectors.people import names_of, reviewers_of
from approvals.selectors.queues import own_absence
from approvals.selectors.requests import (
    FOLDERS,
    Counts,
    Filters,
    comments_of,
    counts_for,
    decisions_of,
    inbox_for,
    n_others_alike,
    request_for,
)
from approvals.selectors.sla import sla_for
from approvals.selectors.suggestions import suggestions_for
from approvals.selectors.turns import turn_of
from approvals.services.claim_request import claim_request, holder_of, release_request
from approvals.services.comment_request import comment_request
from approvals.services.decide import decide, standing_of
from approvals.services.delegate_request import delegate_request
from approvals.services.recall_permission import recall_permission
from runs.selectors.paging import Page
from runs.views.base import respond, room
from runs.views.suggest import spot_in

REGIONS = {"desk": "approvals/_desk.html"}


@room
def inbox(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What waits for people, due first, with the first of it open."""
    return _page(request, actor, None)


@room
def suggest(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What may stand where the query is being typed."""
    spot = spot_in(request)
    return respond(request, "runs/_suggest.html", {"spot": spot, "options": suggestions_for(actor, spot)})


@room
def case(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """One request. Looking at it decides nothing."""
    found = request_for(actor, request_id)
    return _page(request, actor, case_of(found), is_alone=True)


@require_POST
@room
def decide_case(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Decide; an edit is shown as a difference before it counts. With `rehearse` it is only tried."""
    found = request_for(actor, request_id)
    posted, shown = request.POST.dict(), case_of(found, request.POST.dict())
    choice = choice_of(found, posted, shown)
    if choice is None:
        return _page(request, actor, shown, is_alone=True, status=422)
    if choice.type == "edit" and not posted.get("confirmed"):
        return _page(request, actor, shown, is_alone=True, edit=choice.args)
    try:
        decide(actor=actor, request_id=request_id, choice=choice, is_rehearsal=bool(posted.get("rehearse")))
    except InvalidInputError as error:
        refuse(shown, error)
        return _page(request, actor, shown, is_alone=True, status=422)
    except (ConflictError, NotAllowedError) as error:
        return _refused(request, actor, request_id, error)
    if request.headers.get("X-Undo"):
        return HttpResponse(status=204)
    return redirect(f"{reverse('approvals:inbox')}?{request.GET.urlencode()}")


@require_POST
@room
def recall(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Take back a permission that is not used yet."""
    said, version = request.POST.get("reason", ""), request.POST.get("version", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else None
    return _done(
        request,
        actor,
        request_id,
        lambda: recall_permission(actor=actor, request_id=request_id, message=said, version=seen),
    )


@require_POST
@room
def claim(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Claim the request, or take it over."""
    takes_over = request.POST.get("take_over") == "1"
    return _done(
        request,
        actor,
        request_id,
        lambda: claim_request(actor=actor, request_id=request_id, takes_over=takes_over),
    )


@require_POST
@room
def release(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Let the claim go."""
    return _done(request, actor, request_id, lambda: release_request(actor=actor, request_id=request_id))


@require_POST
@room
def delegate(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Give the vote in this request to somebody else."""
    to = request.POST.get("to", "")
    return _done(
        request, actor, request_id, lambda: delegate_request(actor=actor, request_id=request_id, to=to)
    )


@require_POST
@room
def comment(request: HttpRequest, actor: Actor, request_id: UUID) -> HttpResponse:
    """Say something to the team."""
    said = request.POST.get("text", "")
    return _done(
        request, actor, request_id, lambda: comment_request(actor=actor, request_id=request_id, text=said)
    )


def _done(request: HttpRequest, actor: Actor, request_id: UUID, act: Any) -> HttpResponse:
    request_for(actor, request_id)
    try:
        act()
    except (ConflictError, NotAllowedError, InvalidInputError) as error:
        return _refused(request, actor, request_id, error)
    return redirect(f"{reverse('approvals:case', args=[request_id])}?{request.GET.urlencode()}")


def _refused(request: HttpRequest, actor: Actor, request_id: UUID, error: AgentOpsError) -> HttpResponse:
    shown = case_of(request_for(actor, request_id))
    return _page(request, actor, shown, is_alone=True, refusal=error, status=error.http_status)


def _page(
    request: HttpRequest,
    actor: Actor,
    shown: Case | None,
    *,
    status: int = 200,
    is_alone: bool = False,
    **more: Any,
) -> HttpResponse:
    counts = counts_for(actor)
    query = request.GET.get("q", "").strip()
    folder = _folder(request, counts)
    page, problem = _found(request, actor, Filters(folder, text=query))
    if shown is None and page.items:
        shown = case_of(request_for(actor, page.items[0].pk))
    here = shown.request.pk if shown else None
    rows = [row_of(one, here=here, me=actor.user_id) for one in page.items]
    context: dict[str, Any] = {
        "rows": rows, "older": page.next_cursor, "folder": folder, "folder_asked": request.GET.get("folder") == folder, "counts": counts, "query": query, "problem": problem,
        "place": urlencode({"folder": folder} | ({"q": query} if query else {})), "case": shown, "is_alone": is_alone,
        "absence": own_absence(actor),
        **_around([one.pk for one in page.items], here), **_of_case(actor, shown), **more,
    }  # fmt: skip
    if more.get("edit") is not None and shown:
        context["edits"] = _edits(shown, more["edit"])
    return respond(request, "approvals/inbox.html", context, regions=REGIONS, status=status)


def _folder(request: HttpRequest, counts: Counts) -> str:
    """Return the folder that was asked for; else all of them for a search, and the first that holds anything."""
    asked = request.GET.get("folder", "")
    if asked in FOLDERS:
        return asked
    if request.GET.get("q", "").strip():
        return "all"
    return "mine" if counts.mine else "queues" if counts.queues else "all"


def _found(
    request: HttpRequest, actor: Actor, filters: Filters
) -> tuple[Page[Request], BadQueryError | None]:
    """Return the rows, and what is wrong with the query where it cannot be read."""
    try:
        return inbox_for(actor, filters, cursor=request.GET.get("cursor", "")), None
    except BadQueryError as error:
        return Page([], None), error


def _edits(shown: Case, args: Any) -> list[dict[str, str]]:
    return change_lines(shown.request.args, args)


def _around(ids: list[UUID], here: UUID | None) -> dict[str, UUID | None]:
    """Return the request before and the one after this one in the list."""
    place = ids.index(here) if here in ids else -1
    before = ids[place - 1] if place > 0 else None
    after = ids[place + 1] if place + 1 < len(ids) else None
    return {"previous_id": before, "next_id": after}


def _of_case(actor: Actor, shown: Case | None) -> dict[str, Any]:
    if shown is None:
        return {}
    request: Request = shown.request
    standing = standing_of(request, actor) if request.status == "pending" else None
    seat = standing.seat if standing and standing.seat != actor.user_id else None
    voters = {user_id for given in request.delegations for user_id in given.values()} | (
        {seat} if seat else set()
    )
    return {
        "votes": vote_notes(request, seat, actor.user_id, names_of(voters)),
        "decisions": decision_lines(decisions_of(request)), "comments": comments_of(request), "standing": standing,
        "may_decide": bool(standing and standing.may), "holder_id": holder_of(request), "me": actor.user_id,
        "others": [one.user for one in reviewers_of(actor.team_id) if one.user_id not in (actor.user_id, request.initiator_id)],
        "turn": turn_places(turn_of(request.run_id, request.seq), request) if shown.is_editable else [],
        "n_alike": n_others_alike(actor, request) if standing and standing.may else 0,
        "clock": clock_of(sla_for(actor, request.pk)), "can_pause": actor.can(Scope.REVIEW),
        "can_recall": request.status == "approved" and request.used_at is None and actor.can(Scope.REVIEW),
        "can_comment": actor.can(Scope.REVIEW) or actor.can(Scope.RUN),
    }  # fmt: skip
