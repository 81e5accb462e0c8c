"""What differs between two checkpoints, of one run or of two."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.store import Rebuilt
from runs.models import Run
from runs.presenters.diff import story_of
from runs.selectors.checkpoints import place_of, state_at_for
from runs.selectors.console.run import checkpoints_around, step_names_for
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

HEAD = {"run-head": "runs/_head.html"}


@dataclass(frozen=True, slots=True)
class Side:
    """One checkpoint of the two: whose it is, what was asked for, what stands there, and its neighbours."""

    run: Run
    asked: int
    seq: int
    node: str
    before: int | None
    after: int | None
    state: Any

    @property
    def source(self) -> str:
        """Return what parts of the state are fetched by."""
        return f"state:{self.seq}"


@dataclass(frozen=True, slots=True)
class Ways:
    """Addresses of other comparisons: one side a checkpoint back or on, both, or the other way round; "" for none."""

    a_back: str
    a_on: str
    b_back: str
    b_on: str
    both_back: str
    both_on: str
    swapped: str


@room
def choose(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Goes to the difference of the checkpoints `a` and `b`; without them, that of the last two."""
    run = run_for(actor, run_id)
    b = request.GET.get("b", "").strip() or str(run.head_seq)
    other, seq = place_of(b)
    a = number_of(request, "a") if request.GET.get("a") else checkpoints_around(actor, run, seq)[0] or 0
    return redirect(_address(run_id, a, other or run_id, seq))


@room
def diff_page(request: HttpRequest, actor: Actor, run_id: UUID, a: int, b: str) -> HttpResponse:
    """The changes from the checkpoint `a` to `b`; from the one numbered `from` on, that numbered `full` whole."""
    run = run_for(actor, run_id)
    other_id, seq = place_of(b)
    other = run_for(actor, other_id) if other_id and other_id != run_id else run
    context: dict[str, Any] = {"run": run, "tab": "state", "b": b, "is_within": other is run}
    context |= head_context(request, actor, run)
    try:
        before, after = _side(actor, run, a), _side(actor, other, seq)
    except IntegrityError as error:
        return respond(request, "runs/diff.html", context | {"broken": error}, regions=HEAD)
    first, full = max(number_of(request, "from"), 1), number_of(request, "full")
    story = story_of(before.state, after.state, first=first, full=full)
    if not story.cards and first > 1:
        raise NotFoundError(f"there are only {story.n_cards} changes")
    context |= {"before": before, "after": after, "story": story, "ways": _ways(before, after)}
    return respond(request, "runs/diff.html", context, regions=HEAD)


def _side(actor: Actor, run: Run, seq: int) -> Side:
    """Return a checkpoint with its state.

    Raises: NotFoundError, IntegrityError
    """
    built: Rebuilt = state_at_for(actor, run.pk, seq)
    names = step_names_for(actor, run, {built.seq})
    neighbours = checkpoints_around(actor, run, built.seq)
    return Side(run, seq, built.seq, names.get(built.seq, ""), *neighbours, built.state)


def _ways(a: Side, b: Side) -> Ways:
    def way(left: int | None, right: int | None) -> str:
        return "" if left is None or right is None else _address(a.run.pk, left, b.run.pk, right)

    is_within = a.run.pk == b.run.pk
    return Ways(
        a_back=way(a.before, b.seq), a_on=way(a.after, b.seq), b_back=way(a.seq, b.before), b_on=way(a.seq, b.after),
        both_back=way(a.before, b.before) if is_within else "", both_on=way(a.after, b.after) if is_within else "",
        swapped=_address(b.run.pk, b.seq, a.run.pk, a.seq),
    )  # fmt: skip


def _address(run_id: UUID, a: int, other_id: UUID, b: int) -> str:
    return reverse("runs:diff", args=[run_id, a, str(b) if other_id == run_id else f"{other_id}:{b}"])
