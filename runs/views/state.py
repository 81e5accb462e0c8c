"""The state of a run at any checkpoint, and of each place in it: who wrote it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.store import Rebuilt
from runs.models import Run
from runs.presenters import json_tree
from runs.presenters.inspector import value_of
from runs.presenters.json_tree import Limits
from runs.presenters.place import Place, place_of_state
from runs.presenters.text import visible
from runs.selectors.checkpoints import blame_for, state_at_for
from runs.selectors.console.run import checkpoints_around, step_names_for
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html", "state-view": "view", "place": "place"}


@room
def state(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The state at the checkpoint `seq`, or at the head, checked against the chain; and the place `at` in it."""
    run, region = run_for(actor, run_id), request.headers.get("HX-Target", "")
    seq = number_of(request, "seq") if request.GET.get("seq") else run.head_seq
    at = request.GET.get("at", "")
    context: dict[str, Any] = {
        "run": run,
        "tab": "state",
        "seq": seq,
        "at": at,
        "is_plain": visible(at) == at,
    }
    if region not in ("state-view", "place"):
        context |= head_context(request, actor, run)
    try:
        built = state_at_for(actor, run_id, seq)
        context |= {
            "built": built,
            "source": f"state:{built.seq}",
            "place": _place(actor, run, built, at),
        }
    except IntegrityError as error:
        broken = {"broken": error, "last_good": error.last_good_seq}
        return respond(request, "runs/state.html", context | broken, regions=REGIONS)
    if region != "place":
        context |= _whole(actor, run, built)
    return respond(request, "runs/state.html", context, regions=REGIONS)


def _whole(actor: Actor, run: Run, built: Rebuilt) -> dict[str, Any]:
    before, after = checkpoints_around(actor, run, built.seq)
    limits = Limits(json_tree.PAGE_TOKENS, json_tree.PREVIEW_CHARACTERS)
    return {
        "hash": built.hash.hex(),
        "pick": f"{reverse('runs:state', args=[run.pk])}?seq={built.seq}&at=",
        "value": value_of(f"state:{built.seq}", built.state),
        "tokens": list(json_tree.tokens(built.state, limits)),
        "before": before,
        "after": after,
        "node": step_names_for(actor, run, {built.seq}).get(built.seq, ""),
        "x": round(100 * built.seq / max(run.head_seq, 1), 2),
    }


def _place(actor: Actor, run: Run, built: Rebuilt, pointer: str) -> Place | None:
    """Return the place; None when none was asked for, or nothing stands there at this checkpoint."""
    if not pointer:
        return None
    try:
        found = blame_for(actor, run.pk, built, pointer)
    except NotFoundError:
        return None
    names = step_names_for(actor, run, {writing.seq for writing in found.writings})
    return place_of_state(built.state, pointer, found, names, run.head_seq)
