"""The check of a whole run against its chain."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import TooLargeError
from runs.selectors.runs import run_for
from runs.selectors.verdicts import verdict_for
from runs.services.check_chain import check_chain
from runs.views.base import respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html", "verdict": "runs/_verdict.html"}
SHOWN_FAILURES = 20


@require_http_methods(["GET", "POST"])
@room
def verify(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """GET tells what a check of the whole run finds now; POST checks it too, and stops a run that fails."""
    if request.method == "POST":
        check_chain(actor=actor, run_id=run_id)
        return redirect("runs:run", run_id)
    run = run_for(actor, run_id)
    context: dict[str, object] = {"run": run, "tab": "state", "can_run": actor.can(Scope.RUN)}
    region = request.headers.get("HX-Target", "")
    if region != "run-head":
        context |= _verdict(actor, run_id)
    if region != "verdict":
        context |= head_context(request, actor, run)
    return respond(request, "runs/verify.html", context, regions=REGIONS)


def _verdict(actor: Actor, run_id: UUID) -> dict[str, object]:
    try:
        verdict = verdict_for(actor, run_id)
    except TooLargeError as error:
        return {"too_many": error.detail}
    shown = [failure.replace(f" of run {run_id}", "") for failure in verdict.failures[:SHOWN_FAILURES]]
    return {"verdict": verdict, "failures": shown, "n_hidden": len(verdict.failures) - len(shown)}
