"""The inspector's parts: the step itself, what it changed, and the JSON values that are fetched when opened."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.models import Run
from runs.presenters import json_tree
from runs.presenters.changes import change_lines
from runs.presenters.heals import rungs_of
from runs.presenters.inspector import Inspector, now_inspector, step_inspector
from runs.presenters.json_tree import Limits
from runs.selectors.checkpoints import state_at_for
from runs.selectors.console.heals import heals_around
from runs.selectors.console.run import (
    actions_for,
    attempts_for,
    input_for,
    output_for,
    step_names_for,
    step_or_none,
)
from runs.selectors.runs import run_for
from runs.selectors.steps import step_for
from runs.views.base import respond, room

SHOWN_ACTIONS = 12
# Rebuilding the state before a step takes longer the more checkpoints lie before it; beyond, it is fetched apart.
INLINE_CHECKPOINTS = 1500


def inspector_of(actor: Actor, run: Run, seq: int) -> Inspector:
    """Return the inspector of a step, or of the node that has no row yet.

    Raises: NotFoundError
    """
    inspector = _inspector_of(actor, run, seq)
    inspector.rungs = rungs_of(heals_around(actor, run, seq), seq)
    return inspector


def _inspector_of(actor: Actor, run: Run, seq: int) -> Inspector:
    step = step_or_none(actor, run, seq)
    node_seq = (step.parent_seq or step.seq) if step else seq
    actions, n_actions = actions_for(actor, run, seq, SHOWN_ACTIONS)
    if step is None:
        if seq != run.node_seq:
            raise NotFoundError(f"run {run.id} has no step {seq}")
        attempts = attempts_for(actor, run, seq)
        begins_with = (
            _state_before(actor, run, run.head_seq + 1) if run.n_steps <= INLINE_CHECKPOINTS else None
        )
        return now_inspector(run, attempts=attempts, actions=actions, n_actions=n_actions, state=begins_with)
    names = {step.seq: step.name} | (step_names_for(actor, run, {node_seq}) if step.parent_seq else {})
    detail = step_for(actor, run.id, seq)
    is_near = detail.delta is not None and run.n_steps <= INLINE_CHECKPOINTS
    return step_inspector(
        run, detail, node=names.get(node_seq, run.node), actions=actions, n_actions=n_actions,
        before=_state_before(actor, run, seq) if is_near else None, is_before_known=is_near,
    )  # fmt: skip


@room
def changes(request: HttpRequest, actor: Actor, run_id: UUID, seq: int) -> HttpResponse:
    """What a node changed in the state."""
    run, detail = run_for(actor, run_id), step_for(actor, run_id, seq)
    lines = change_lines(detail.delta or [], _state_before(actor, run, seq))
    return respond(request, "runs/run.html#changes", {"run": run, "lines": lines})


@room
def json_part(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """A part of a JSON value (`of`, `at`, `from`) as a tree; with `all`, as much of it as is sensible."""
    source, pointer = request.GET.get("of", ""), request.GET.get("at", "")
    value = _at(_value(actor, run_id, source), pointer)
    first = int(request.GET["from"]) if request.GET.get("from", "").isdecimal() else 0
    room_for = json_tree.ALL_TOKENS if "all" in request.GET else json_tree.PAGE_TOKENS
    limits = Limits(room_for, json_tree.ALL_CHARACTERS)
    parts = list(json_tree.tokens(value, limits, pointer=pointer, first=first))
    if pointer or first:
        parts = parts[1:-1] if parts and parts[0].kind == "open" else parts
    context = {"tokens": parts, "of": source, "run_id": run_id}
    if "pick" in request.GET and source.startswith("state:"):
        context["pick"] = f"{reverse('runs:state', args=[run_id])}?seq={source.partition(':')[2]}&at="
    return respond(request, "components/json.html", context)


@room
def json_file(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """A whole JSON value, or what stands `at` a place of it, as a file."""
    source = request.GET.get("of", "")
    value = _at(_value(actor, run_id, source), request.GET.get("at", ""))
    body = json.dumps(value, ensure_ascii=False, indent=2)
    name = f"{run_id}-{source.replace(':', '-')}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return HttpResponse(body, content_type="application/json", headers=headers)


def _state_before(actor: Actor, run: Run, seq: int) -> Any:
    """Return the state before a node; None when it cannot be had, and then only additions are shown."""
    try:
        return state_at_for(actor, run.id, seq - 1).state
    except (NotFoundError, IntegrityError):
        return None


def _value(actor: Actor, run_id: UUID, source: str) -> Any:
    kind, _colon, number = source.partition(":")
    seq = int(number) if number.isdecimal() and len(number) < 19 else -1
    if kind in ("request", "output") and seq >= 0:
        return _payload(actor, run_id, kind, seq)
    if kind == "state" and seq >= 0:
        return state_at_for(actor, run_id, seq).state
    if source in ("run-input", "run-output"):
        return input_for(actor, run_id) if source == "run-input" else output_for(actor, run_id)
    raise NotFoundError(f"there is no value {source!r}")


def _payload(actor: Actor, run_id: UUID, kind: str, seq: int) -> Any:
    detail = step_for(actor, run_id, seq)
    payload = detail.request if kind == "request" else detail.output
    if payload is None:
        raise NotFoundError(f"step {seq} has no {kind}")
    value = payload.value
    return value.get("args", value) if kind == "request" and isinstance(value, dict) else value


def _at(value: Any, pointer: str) -> Any:
    try:
        return json_tree.at(value, pointer)
    except KeyError:
        raise NotFoundError(f"there is nothing at {pointer!r}") from None
