"""Failed runs, grouped by what failed, and retrying one or many of them."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from agentops.accounts.roles import Actor, Scope
from runs.presenters.dead_letters import dead_group, dead_run, query_of
from runs.selectors.console.dead_letters import Fingerprint, dead_letters_for, dead_runs_for
from runs.services.retry_many import MAX_RUNS, retry_many
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_PROBLEMS = 20


@room
def dead_letters(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The groups, newest first; with `agent`, `code` and `node` the runs of one group."""
    kind, cursor = _kind(request.GET), request.GET.get("cursor", "")
    context: dict[str, object] = {
        "can_run": actor.can(Scope.RUN),
        "max_runs": MAX_RUNS,
        "is_first": not cursor,
    }
    if kind is None:
        groups = dead_letters_for(actor, cursor=cursor)
        context |= {"groups": [dead_group(group) for group in groups.items], "older": groups.next_cursor}
    else:
        runs = dead_runs_for(actor, kind, cursor=cursor, limit=PAGE_ROWS)
        context |= {"kind": kind, "query": query_of(kind), "older": runs.next_cursor}
        context["runs"] = [dead_run(run) for run in runs.items]
    return respond(request, "runs/dead_letters.html", context)


@require_POST
@room
def retry_dead(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Retry the runs named by `run`, or the newest of a group, and say what came of each."""
    actor.require(Scope.RUN)
    kind, named = _kind(request.POST), _ids(request.POST.getlist("run"))
    if not named and kind is not None:
        named = [run.pk for run in dead_runs_for(actor, kind, limit=MAX_RUNS).items]
    results = retry_many(actor=actor, run_ids=named)
    if len(results) == 1 and not results[0].problem:
        return redirect("runs:run", results[0].run_id)
    problems = [result for result in results if result.problem]
    context = {
        "n_retried": len(results) - len(problems), "problems": problems[:SHOWN_PROBLEMS], "n_problems": len(problems),
        "query": query_of(kind) if kind else "", "is_full": len(results) == MAX_RUNS,
    }  # fmt: skip
    return respond(request, "runs/retried.html", context)


def _kind(given: QueryDict) -> Fingerprint | None:
    """Return the group that an address or a form names; None when it names none."""
    if "agent" not in given:
        return None
    agent, code, node = (str(given.get(name, "")) for name in Fingerprint._fields)
    return Fingerprint(agent, code, node)


def _ids(texts: list[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
