"""The shapes of the API about batches and children, made from what selectors return."""

from typing import Any
from urllib.parse import quote

from runs import schemas_batches as schemas
from runs.models import Run
from runs.presenters.wire import run_row
from runs.schemas import TokensOut
from runs.selectors.batches import BatchFigures, BatchRow
from runs.selectors.children import ChildCounts
from runs.selectors.paging import Page
from runs.services.start_batch import StartedBatch


def started_batch(
    name: str, first_index: int, started: StartedBatch, n_replaced: int
) -> schemas.StartedBatchOut:
    warning = f"{n_replaced} characters that text cannot hold (NUL, lone surrogates) were replaced by U+FFFD"
    return schemas.StartedBatchOut(
        batch_id=name,
        url=page_of_batch(name),
        runs=[
            schemas.BatchRunOut(index=first_index + n, id=run_id) for n, run_id in enumerate(started.run_ids)
        ],
        new=started.n_new,
        next_index=first_index + len(started.run_ids),
        warnings=[warning] if n_replaced else [],
    )


def batch_row(batch: BatchRow) -> schemas.BatchRowOut:
    return schemas.BatchRowOut(**_row_members(batch))


def batch_out(batch: BatchFigures) -> schemas.BatchOut:
    return schemas.BatchOut(
        **_row_members(batch),
        cost_microusd=batch.cost_microusd,
        tokens=TokensOut(input=batch.tokens_in, output=batch.tokens_out),
        steps=batch.n_steps,
        first_at=batch.first_at,
        last_at=batch.last_at,
        ended_at=batch.ended_at,
        failures=[run_row(run) for run in batch.failures],
    )


def child_page(page: Page[Run], counts: ChildCounts) -> schemas.ChildPageOut:
    return schemas.ChildPageOut(
        **_count_members(counts),
        cost_microusd=counts.cost_microusd,
        items=[run_row(run) for run in page.items],
        next_cursor=page.next_cursor,
    )


def page_of_batch(name: str) -> str:
    """Return the address of a batch's page."""
    return f"/batches/{quote(name)}"


def _row_members(batch: BatchRow) -> dict[str, Any]:
    told = {"batch_id": batch.name, "url": page_of_batch(batch.name)}
    return told | _count_members(batch) | {"created_by": batch.created_by, "created_at": batch.created_at}


def _count_members(counts: BatchRow | ChildCounts) -> dict[str, Any]:
    return {
        "counts": counts.counts,
        "total": counts.total,
        "ended": counts.n_ended,
        "failed": counts.n_failed,
    }
