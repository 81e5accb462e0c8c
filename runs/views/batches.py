"""Batches: the list, and how far one is; and the children of a run."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor, Scope
from runs.engine.states import RunStatus
from runs.presenters import text
from runs.presenters.families import list_of_batch, meter_of, shares_of_batch, shares_of_children
from runs.presenters.run_list import run_row
from runs.selectors.batches import batch_for, batches_for
from runs.selectors.children import all_children, child_counts_for, children_for
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

PAGE_ROWS = 50


@room
def batch_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The batches of the team, the one that was begun last first."""
    cursor = request.GET.get("cursor", "")
    page = batches_for(actor, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [(batch, text.line(batch.name, 120), meter_of(batch)) for batch in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
    }
    return respond(request, "runs/batches.html", context, regions={"batches": "batches"})


@room
def batch_page(request: HttpRequest, actor: Actor, batch_id: str) -> HttpResponse:
    """How far a batch is, what it costs, and what failed."""
    batch = batch_for(actor, batch_id)
    context = {
        "batch": batch,
        "title": text.line(batch_id, 120),
        "meter": meter_of(batch),
        "shares": shares_of_batch(batch_id, batch),
        "all_runs": list_of_batch(batch_id),
        "spent": text.money(batch.cost_microusd),
        "failures": [run_row(run) for run in batch.failures],
        "is_open": batch.ended_at is None,
    }
    return respond(request, "runs/batch.html", context, regions={"batch": "batch"})


@room
def children(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The runs that a run started, in that order, by status and step if wanted."""
    run, get = run_for(actor, run_id), request.GET
    known = {str(status) for status in RunStatus}
    chosen = [status for status in get.getlist("status") if status in known]
    seq = number_of(request, "seq") or None
    counts = child_counts_for(actor, run_id)
    of_step = all_children(found for at, found in counts.items() if seq in (None, at))
    page = children_for(
        actor, run_id, statuses=chosen, seq=seq, cursor=get.get("cursor", ""), limit=PAGE_ROWS
    )
    context = {
        "run": run, "tab": "children", "rows": [run_row(child) for child in page.items], "older": page.next_cursor,
        "is_first": not get.get("cursor"), "shares": shares_of_children(run, of_step, chosen, seq),
        "total": of_step, "seq": seq, "chosen": chosen, "can_start": actor.can(Scope.RUN),
    }  # fmt: skip
    regions = {"run-head": "runs/_head.html", "children": "children"}
    return respond(
        request, "runs/children.html", context | head_context(request, actor, run), regions=regions
    )
