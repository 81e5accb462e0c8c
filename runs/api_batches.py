"""The calls of the API about many runs at once: batches, and the children of a run."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_batches as schemas
from runs.presenters import batch_wire as wire
from runs.schemas import PageIn
from runs.selectors.batches import batch_for, batches_for
from runs.selectors.children import all_children, child_counts_for, children_for
from runs.services.start_batch import start_batch

router = Router(tags=["batches"])
run_router = Router(tags=["batches"])


@run_router.post(
    "/batch",
    response={202: schemas.StartedBatchOut},
    operation_id="start_batch",
    summary="Start a batch of runs",
)
def start(request: HttpRequest, payload: schemas.StartBatchIn) -> Status[schemas.StartedBatchOut]:
    """Start a run for each of the inputs, each once however often it is sent; more may follow under the same id."""
    started = start_batch(actor=caller_of(request), **payload.model_dump())
    n_replaced: int = getattr(request, "n_replaced", 0)
    return Status(202, wire.started_batch(payload.batch_id, payload.first_index, started, n_replaced))


@run_router.get(
    "/{uuid:run_id}/children",
    response=schemas.ChildPageOut,
    operation_id="list_children",
    summary="List the children of a run",
)
def children(request: HttpRequest, run_id: UUID, filters: Query[schemas.ChildListIn]) -> schemas.ChildPageOut:
    """List the runs that a run started, in that order, with how far they are together."""
    actor = caller_of(request)
    page = children_for(
        actor, run_id, statuses=filters.status, seq=filters.seq, cursor=filters.cursor, limit=filters.limit
    )
    return wire.child_page(page, all_children(child_counts_for(actor, run_id).values()))


@router.get("", response=schemas.BatchPageOut, operation_id="list_batches", summary="List batches")
def index(request: HttpRequest, filters: Query[PageIn]) -> schemas.BatchPageOut:
    """List the batches of the team, the one that was begun last first."""
    page = batches_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    return schemas.BatchPageOut(
        items=[wire.batch_row(row) for row in page.items], next_cursor=page.next_cursor
    )


@router.get("/{path:batch_id}", response=schemas.BatchOut, operation_id="get_batch", summary="Get a batch")
def get(request: HttpRequest, batch_id: str) -> schemas.BatchOut:
    """Get how far a batch is, what it has cost, and what failed."""
    return wire.batch_out(batch_for(caller_of(request), batch_id))
