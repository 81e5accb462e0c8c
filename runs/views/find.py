"""Finding words in a run, a stretch of steps at a time."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from runs.presenters.find import hit_rows
from runs.selectors.console.find import MAX_CHARACTERS, MIN_CHARACTERS, find_in_run
from runs.selectors.console.run import step_names_for
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html", "find-more": "hits"}


@room
def find(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The steps behind `after` in which the words `q` stand, as far as one request reads; the page then goes on."""
    run, words, after = run_for(actor, run_id), request.GET.get("q", "").strip(), number_of(request, "after")
    n_before = number_of(request, "found")
    context: dict[str, Any] = {
        "run": run,
        "tab": "tree",
        "words": words,
        "limits": (MIN_CHARACTERS, MAX_CHARACTERS),
    }
    if request.headers.get("HX-Target") != "find-more":
        context |= head_context(request, actor, run)
    if MIN_CHARACTERS <= len(words) <= MAX_CHARACTERS:
        found = find_in_run(actor, run, words, after=after)
        names = step_names_for(actor, run, {hit.seq for hit in found.hits})
        context |= {
            "found": found,
            "rows": hit_rows(found.hits, names),
            "n_found": n_before + len(found.hits),
        }
        context |= {"is_first": not after}
    return respond(request, "runs/find.html", context, regions=REGIONS)
