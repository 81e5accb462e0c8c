"""The other tabs of a run: its log, its output."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from runs.presenters.inspector import value_of
from runs.presenters.report import report_of
from runs.selectors.console.run import (
    input_for,
    log_levels_for,
    log_lines_for,
    output_for,
    step_names_for,
)
from runs.selectors.runs import run_for
from runs.views.base import respond, room
from runs.views.run import head_context

LOG_LINES = 200
HEAD = {"run-head": "runs/_head.html"}


@room
def log(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The log lines behind `after` (seq.n), of one `level` where asked."""
    run, level = run_for(actor, run_id), request.GET.get("level", "")
    if request.headers.get("HX-Target") == "run-head":
        return respond(
            request,
            "runs/log.html",
            {"run": run, "tab": "log"} | head_context(request, actor, run),
            regions=HEAD,
        )
    lines = log_lines_for(
        actor, run, after=_place(request.GET.get("after", "")), limit=LOG_LINES + 1, level=level
    )
    names = step_names_for(actor, run, {line.seq for line in lines})
    shown = lines[:LOG_LINES]
    context = {
        "run": run,
        "tab": "log",
        "lines": [(line, names.get(line.seq, "")) for line in shown],
        "next": f"{shown[-1].seq}.{shown[-1].n}" if shown else request.GET.get("after", ""),
        "has_more": len(lines) > LOG_LINES,
        "levels": log_levels_for(actor, run),
        "level": level,
    }
    is_more = request.headers.get("HX-Target", "") == "log-more"
    return respond(
        request,
        "runs/log.html",
        context | ({} if is_more else head_context(request, actor, run)),
        regions=HEAD | {"log-more": "lines"},
    )


@room
def output(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """What the run was given and what came of it; a report is shown as one."""
    run = run_for(actor, run_id)
    found = output_for(actor, run_id)
    context: dict[str, Any] = {"run": run, "tab": "output"} | head_context(request, actor, run)
    context |= {
        "report": report_of(found),
        "output": value_of("run-output", found) if found is not None else None,
        "input": value_of("run-input", input_for(actor, run_id)),
    }
    return respond(request, "runs/output.html", context, regions=HEAD)


def _place(text: str) -> tuple[int, int]:
    seq, _dot, n = text.partition(".")
    is_place = seq.isdecimal() and n.isdecimal() and len(text) < 30
    return (int(seq), int(n)) if is_place else (0, -1)
