"""The run page: head, tree and inspector, and the regions of it that htmx asks for."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.engine.states import RunStatus
from runs.models import Run
from runs.presenters.families import family_of
from runs.presenters.notes import is_over
from runs.presenters.run_budget import run_budget
from runs.presenters.run_head import head_of
from runs.presenters.timeline import Axis, axis_of, minimap
from runs.presenters.times import now_of
from runs.presenters.tree import Scene, Stretch, TreeRow, fold_rows, inside_rows, stretch_of
from runs.presenters.unknown import unknown_words
from runs.selectors.budgets import purses_for
from runs.selectors.children import ancestors_for, child_counts_for
from runs.selectors.console.material import Material, read_inside, read_material
from runs.selectors.console.overview import buckets_of
from runs.selectors.console.run import last_try_for, step_or_none
from runs.selectors.console.stuck import note_episodes
from runs.selectors.console.tree import error_beside, insides_of, some_nodes_before, steps_between
from runs.selectors.console.unknown import left_unknown_for, unknown_for
from runs.selectors.holdups import note_holdups
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room, system_of
from runs.views.inspect import inspector_of
from runs.views.keep import archived_page

REGIONS = {"run-head": "runs/_head.html", "inspector": "runs/_inspector.html"}
FOLD_ROWS = 120
NODES_BEFORE = 12


@room
def run_page(request: HttpRequest, actor: Actor, run_id: UUID, seq: int | None = None) -> HttpResponse:
    """The run with its tree, and the inspector on the step `seq` or on what matters most."""
    run = run_for(actor, run_id, also_archived=True)
    if run.archived_at is not None:
        return archived_page(request, actor, run)
    region = request.headers.get("HX-Target", "")
    context: dict[str, Any] = {"run": run, "tab": "tree", "is_chosen": seq is not None}
    if region == "run-head":
        return respond(request, "runs/run.html", context | head_context(request, actor, run), regions=REGIONS)
    selected = _selected(actor, run, seq)
    context |= {"inspector": inspector_of(actor, run, selected), "selected": selected}
    if region == "inspector":
        context |= question_context(actor, run)
    else:
        context |= head_context(request, actor, run) | _tree_context(
            actor, run, selected, is_chosen=seq is not None
        )
    return respond(request, "runs/run.html", context, regions=REGIONS)


@room
def tree_rows(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The rows behind the node `after`: the next stretch, or what has come since."""
    run = run_for(actor, run_id)
    selected, after, offset = (number_of(request, name) for name in ("selected", "after", "offset"))
    material = _read(actor, run, selected or _selected(actor, run, None), after=after, offset=offset)
    scene = Scene(material, _axis(material))
    context = _stretch_context(scene, stretch_of(scene))
    is_tail = request.headers.get("HX-Target") == "tail"
    return respond(
        request, "runs/run.html#stretch", context | {"run": run, "is_tail": is_tail, "is_next": not is_tail}
    )


@room
def tree_map(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The minimap of a run that goes on."""
    run = run_for(actor, run_id)
    material = read_inside(actor, run, now=now_of(run), node=None)
    axis = _axis(material)
    drawn = minimap(axis, buckets_of(actor, run, axis.bounds(), material.overview.kept))
    return respond(
        request, "runs/run.html#minimap", {"run": run, "minimap": drawn, "is_open": not is_over(run)}
    )


@room
def inside(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """The rows inside a fold (`parent`, `first`, `last`) or inside a node (`parent`, behind `after`)."""
    run = run_for(actor, run_id)
    parent, first, last, after = (number_of(request, name) for name in ("parent", "first", "last", "after"))
    level = min(max(number_of(request, "level"), 2), 3)
    if first:
        rows, more = _opened(actor, run, parent, first, last, level)
    else:
        material = read_inside(actor, run, now=now_of(run), node=parent, after=after)
        rows, more = inside_rows(Scene(material, _axis(material)), parent, level), None
    context = {"run": run, "rows": rows, "more": more, "parent": parent, "last": last, "level": level}
    return respond(request, "runs/run.html#inside", context)


@room
def error_step(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Goes to the next failed step behind `from`, or the one before it; round at the ends."""
    run, forward = run_for(actor, run_id), "back" not in request.GET
    here = number_of(request, "from")
    found = error_beside(actor, run, here, forward=forward)
    found = found or error_beside(actor, run, 0 if forward else 1 << 62, forward=forward)
    if found is None:
        raise NotFoundError("no step of this run has failed")
    return redirect("runs:step", run_id, found)


def head_context(request: HttpRequest, actor: Actor, run: Run) -> dict[str, Any]:
    """Return what the head of every tab shows."""
    note_holdups(actor, [run], with_ahead=True)
    note_episodes(actor, run)
    unknown_seq = left_unknown_for(actor, run)
    head = head_of(run, system_of(request), last_try_for(actor, run), unknown_seq)
    family = family_of(ancestors_for(actor, run), child_counts_for(actor, run.pk))
    budget = run_budget(actor, run, purses_for(actor, run))
    return {"head": head, "family": family, "budget": budget} | question_context(actor, run)


def question_context(actor: Actor, run: Run) -> dict[str, Any]:
    """Return what the run asks of a person, and whether this one may answer."""
    found = unknown_for(actor, run)
    return {"unknown": unknown_words(run, found) if found else None, "can_run": actor.can(Scope.RUN)}


def _selected(actor: Actor, run: Run, seq: int | None) -> int:
    """Return the step to inspect: the one asked for, else what is in question, where it failed, what runs, the last."""
    if seq is not None:
        return seq
    if not is_over(run):
        waiting_on = run.waiting_on or {}
        return int(waiting_on["seq"]) if waiting_on.get("kind") in ("unknown", "permission") else run.node_seq
    failed = (run.error or {}).get("seq") or (
        error_beside(actor, run, 0, forward=True) if run.branch == 1 else None
    )
    return int(failed or run.node_seq)


def _tree_context(actor: Actor, run: Run, selected: int, *, is_chosen: bool) -> dict[str, Any]:
    material = _read(actor, run, selected)
    scene = Scene(material, _axis(material))
    stretch = stretch_of(scene)
    is_far_down = stretch.next_after is not None and material.selected_node > stretch.next_after
    if is_far_down and (is_chosen or run.status != RunStatus.SUCCEEDED):
        after = some_nodes_before(actor, run, material.selected_node, NODES_BEFORE)
        material = _read(actor, run, selected, after=after, offset=None, known=material)
        scene = Scene(material, scene.axis)
        stretch = stretch_of(scene)
    drawn = minimap(scene.axis, buckets_of(actor, run, scene.axis.bounds(), material.overview.kept))
    return {"minimap": drawn, "is_windowed": material.offset > 0} | _stretch_context(scene, stretch)


def _read(
    actor: Actor,
    run: Run,
    selected: int,
    *,
    after: int = 0,
    offset: int | None = 0,
    known: Material | None = None,
) -> Material:
    step = None if known else step_or_none(actor, run, selected)
    node = known.selected_node if known else (step.parent_seq or step.seq) if step else selected
    return read_material(
        actor,
        run,
        now=now_of(run),
        after=after,
        offset=offset,
        selected=selected,
        selected_node=node,
        known=known,
    )


def _axis(material: Material) -> Axis:
    run = material.run
    is_running = run.status == RunStatus.RUNNING
    totals, gaps = material.overview.totals, material.overview.gaps
    return axis_of(totals, gaps, now=material.now, is_open=not is_over(run), is_running=is_running)


def _stretch_context(scene: Scene, stretch: Stretch) -> dict[str, Any]:
    totals = scene.read.overview.totals
    return {
        "stretch": stretch,
        "totals": totals,
        "axis": scene.axis,
        "with_cost": bool(totals.cost_microusd),
        "is_whole": stretch.next_after is None and not scene.read.offset and not scene.read.cut,
        "n_folded": max(0, totals.n_steps - stretch.n_shown),
        "selected": scene.read.selected,
        "is_open": not is_over(scene.read.run),
    }


def _opened(
    actor: Actor, run: Run, parent: int, first: int, last: int, level: int
) -> tuple[list[TreeRow], int | None]:
    """Return the rows of a fold, and the seq from which there are more."""
    material = read_inside(actor, run, now=now_of(run), node=None)
    scene = Scene(material, _axis(material))
    steps = steps_between(actor, run, parent_seq=parent, first=first, last=last, limit=FOLD_ROWS + 1)
    shown = steps[:FOLD_ROWS]
    insides = insides_of(actor, run, [step.seq for step in shown]) if not parent else {}
    return fold_rows(scene, shown, insides, level), steps[FOLD_ROWS].seq if len(steps) > FOLD_ROWS else None
