"""Who did what in the team: the list, the check of its chain, and the export."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from agentops.accounts.roles import Actor
from agentops.audit.models import Entry
from agentops.common.errors import BadQueryError, TooLargeError
from agentops.common.query import Filter, Value, render
from runs.presenters.audit import address_of, detail_of, entry_line, verdict_words
from runs.selectors.audit import all_entries_for, audit_verdict_for, entries_for
from runs.selectors.schedules import database_now
from runs.views.base import respond, room
from runs.views.raw import download

PAGE_ROWS = 50


@room
def audit(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What was done, newest first; `q` filters."""
    query, cursor = request.GET.get("q", ""), request.GET.get("cursor", "")
    context: dict[str, Any] = {"q_audit": query, "is_first": not cursor, "now": database_now(), "rows": []}
    try:
        page = entries_for(actor, query=query, cursor=cursor, limit=PAGE_ROWS)
    except BadQueryError as error:
        return respond(request, "runs/audit.html", context | {"problem": error}, status=error.http_status)
    context |= {"rows": [_row(entry) for entry in page.items], "older": page.next_cursor}
    return respond(request, "runs/audit.html", context)


@room
def audit_verdict(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What a check of the whole chain finds now; changes nothing."""
    context: dict[str, Any] = {}
    try:
        verdict = audit_verdict_for(actor)
        context |= {"verdict": verdict, "words": verdict_words(verdict)}
    except TooLargeError as error:
        context["too_many"] = error.detail
    return respond(request, "runs/audit_verdict.html", context, regions={"audit-verdict": "verdict"})


@room
def export_audit(request: HttpRequest, actor: Actor) -> StreamingHttpResponse:
    """All that the query finds, one JSON object a line."""
    query = request.GET.get("q", "")
    entries_for(actor, query=query, limit=1)  # what is wrong with the query is said before the file begins
    return download(request, _lines(actor, query), "audit.jsonl", "application/x-ndjson")


def _lines(actor: Actor, query: str) -> Iterator[str]:
    for entries in all_entries_for(actor, query=query):
        yield "".join(map(entry_line, entries))


def _row(entry: Entry) -> dict[str, Any]:
    of_actor = render(Filter("actor", (Value(entry.actor, is_quoted=True),)))
    return {"entry": entry, "url": address_of(entry), "detail": detail_of(entry), "of_actor": of_actor}
