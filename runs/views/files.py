"""The files of a run's workspace: the list at any checkpoint, one file or what changed in it, and downloads."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from runs.checkpoints.chain import IntegrityError
from runs.presenters import file_wire, text
from runs.presenters.files import file_line, shown_change, shown_content
from runs.selectors.files import FileAt, file_for, file_pair_for, files_for, seq_of
from runs.selectors.runs import run_for
from runs.views.base import respond, room
from runs.views.run import head_context

HEAD = {"run-head": "runs/_head.html"}


@room
def files(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The files at the checkpoint `seq`, or at the head; against those at `since` where that is given."""
    context = _head(request, actor, run_id)
    seq, since = (seq_of(request.GET.get(name, "")) for name in ("seq", "since"))
    try:
        found = files_for(actor, run_id, seq, since=since)
    except IntegrityError as error:
        return respond(request, "runs/files.html", context | {"broken": error}, regions=HEAD)
    context |= {
        "found": found,
        "asked": seq,
        "size": text.size(found.n_bytes),
        "lines": [file_line(row, found.seq, found.since) for row in found.rows],
    }
    return respond(request, "runs/files.html", context, regions=HEAD)


@room
def file(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """One file at the checkpoint `seq`; with `since`, what changed in it since then."""
    context = _head(request, actor, run_id)
    path = request.GET.get("path", "")
    seq, since = (seq_of(request.GET.get(name, "")) for name in ("seq", "since"))
    to = context["run"].head_seq if seq is None else seq
    try:
        before, after = _sides(actor, run_id, path, since, to)
    except IntegrityError as error:
        return respond(request, "runs/file.html", context | {"broken": error}, regions=HEAD)
    it = after or before
    assert it
    context |= {"path": path, "it": it, "since": since, "to": to, "before": before, "after": after}
    context["line"] = file_line(it.row, it.at_seq, None)
    context["shown"] = shown_content(it) if since is None else shown_change(before, after)
    return respond(request, "runs/file.html", context, regions=HEAD)


@room
def download(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """One file at the checkpoint `seq`, as a download."""
    seq = seq_of(request.GET.get("seq", ""))
    return file_wire.download(file_for(actor, run_id, request.GET.get("path", ""), seq))


def _sides(
    actor: Actor, run_id: UUID, path: str, since: int | None, to: int
) -> tuple[FileAt | None, FileAt | None]:
    if since is None:
        return None, file_for(actor, run_id, path, to)
    return file_pair_for(actor, run_id, path, since, to)


def _head(request: HttpRequest, actor: Actor, run_id: UUID) -> dict[str, Any]:
    run = run_for(actor, run_id)
    return {"run": run, "tab": "files"} | head_context(request, actor, run)
