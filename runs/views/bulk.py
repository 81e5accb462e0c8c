"""One verb for many runs: choose it, see what it would do, begin, watch, stop."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadQueryError, InvalidInputError
from runs.presenters.bulk import BULK, job_words
from runs.selectors.bulk import job_for, jobs_for, preview_for, results_for
from runs.services.start_bulk import MAX_SELECTED, start_bulk
from runs.services.stop_bulk import stop_bulk
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_PROBLEMS = 50


@require_http_methods(["GET", "POST"])
@room
def bulk(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET asks which verb, and then shows what it would do; POST begins the job."""
    actor.require(Scope.RUN)
    given = request.GET if request.method == "GET" else request.POST
    named = _ids(given.getlist("run"))
    run_ids = None if "all" in given or not named else named
    if run_ids is None and "all" not in given:
        return redirect("runs:list")
    verb, query = given.get("verb", ""), given.get("q", "")
    if request.method == "GET" or verb not in BULK:
        return _ask(request, actor, verb, query, run_ids)
    typed = given.get("word", "").strip().lower()
    if typed != BULK[verb].word:
        return _ask(request, actor, verb, query, run_ids, has_mistyped=True, status=422)
    try:
        job = start_bulk(
            actor=actor, verb=verb, query=query, run_ids=run_ids, reason=given.get("reason", "").strip()
        )
    except InvalidInputError as error:
        return _ask(request, actor, verb, query, run_ids, error=error.detail, status=422)
    return redirect("runs:bulk-job", job.pk)


def _ask(
    request: HttpRequest, actor: Actor, verb: str, query: str, run_ids: list[UUID] | None, *,
    status: int = 200, **more: Any,
) -> HttpResponse:  # fmt: skip
    preview, problem = None, more.get("error", "")
    try:
        preview = preview_for(actor, verb, query=query, run_ids=run_ids) if verb in BULK else None
    except BadQueryError as error:
        problem, status = error.detail, 400
    context = {
        "verbs": BULK.values(), "verb": BULK.get(verb), "q": query, "run_ids": run_ids, "preview": preview,
        "problem": problem, "max_selected": MAX_SELECTED, **more,
    }  # fmt: skip
    return respond(request, "runs/bulk.html", context, status=status)


@room
def job(request: HttpRequest, actor: Actor, job_id: UUID) -> HttpResponse:
    """How far a job is, and the runs where it was refused."""
    found = job_for(actor, job_id)
    refused = results_for(
        actor, job_id, is_refused=True, cursor=request.GET.get("cursor", ""), limit=SHOWN_PROBLEMS
    )
    context = {"job": job_words(found), "refused": refused.items, "older": refused.next_cursor}
    context["can_run"] = actor.can(Scope.RUN)
    return respond(request, "runs/bulk_job.html", context, regions={"job": "job"})


@room
def jobs(request: HttpRequest, actor: Actor) -> HttpResponse:
    page = jobs_for(actor, cursor=request.GET.get("cursor", ""), limit=PAGE_ROWS)
    context = {"jobs": [job_words(found) for found in page.items], "older": page.next_cursor}
    return respond(request, "runs/bulk_jobs.html", context)


@require_POST
@room
def stop(request: HttpRequest, actor: Actor, job_id: UUID) -> HttpResponse:
    stop_bulk(actor=actor, job_id=job_id)
    return redirect("runs:bulk-job", job_id)


def _ids(texts: list[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
