"""A run as it is stored: lines of JSON on a page, and whole as a file that is written while it is read."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from agentops.accounts.roles import Actor
from runs.models import Run
from runs.presenters import text
from runs.presenters.export import run_line, run_markdown, step_line, step_markdown
from runs.selectors.runs import run_for
from runs.selectors.steps import StepDetail, details_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html", "raw-more": "lines"}
PAGE_STEPS = 50
CHUNK_STEPS = 200
SHOWN_CHARACTERS = 1500


@room
def raw(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The steps behind `after` as lines of JSON; long ones are cut, and whole in the export."""
    run, after = run_for(actor, run_id), number_of(request, "after")
    context: dict[str, Any] = {"run": run, "tab": "raw"}
    region = request.headers.get("HX-Target", "")
    if region != "raw-more":
        context |= head_context(request, actor, run)
    if region != "run-head":
        details = details_for(actor, run_id, after=after, limit=PAGE_STEPS + 1)
        shown = details[:PAGE_STEPS]
        lines = [*([] if after else [run_line(run)]), *map(step_line, shown)]
        context["lines"] = [text.visible(text.shorten(line.rstrip(), SHOWN_CHARACTERS)) for line in lines]
        context["next_after"] = shown[-1].step.seq if len(details) > PAGE_STEPS else None
    return respond(request, "runs/raw.html", context, regions=REGIONS)


@room
def export_lines(request: HttpRequest, actor: Actor, run_id: UUID) -> StreamingHttpResponse:
    """The run and all its steps, one JSON object a line."""
    run = run_for(actor, run_id)
    chunks = _written(actor, run, run_line(run), step_line)
    return download(request, chunks, f"{run_id}.jsonl", "application/x-ndjson")


@room
def export_markdown(request: HttpRequest, actor: Actor, run_id: UUID) -> StreamingHttpResponse:
    """The run and all its steps in Markdown."""
    run = run_for(actor, run_id)
    chunks = _written(actor, run, run_markdown(run), step_markdown)
    return download(request, chunks, f"{run_id}.md", "text/markdown; charset=utf-8")


def _written(actor: Actor, run: Run, head: str, write: Callable[[StepDetail], str]) -> Iterator[str]:
    yield head
    after = 0
    while details := details_for(actor, run.pk, after=after, limit=CHUNK_STEPS):
        yield "".join(map(write, details))
        after = details[-1].step.seq


def download(
    request: HttpRequest, chunks: Iterator[str], name: str, content_type: str
) -> StreamingHttpResponse:
    """Return a download that holds no more than a chunk in memory, also under an asynchronous server."""
    content = _awaited(chunks) if isinstance(request, ASGIRequest) else chunks
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _awaited(chunks: Iterator[str]) -> AsyncIterator[str]:
    while (chunk := await sync_to_async(lambda: next(chunks, None))()) is not None:
        yield chunk
