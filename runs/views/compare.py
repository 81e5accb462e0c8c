"""Two runs side by side."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.models import Run
from runs.presenters.pair import SHOWN_ACTIONS, aligned, rows_of, totals_of, verdict
from runs.presenters.run_list import run_row
from runs.selectors.console.pair import (
    actions_in,
    first_difference,
    nodes_for,
    run_by_words,
    runs_to_compare,
    shared_until,
)
from runs.selectors.console.run import input_for, output_for
from runs.selectors.runs import run_for
from runs.views.base import respond, room

PAGE_NODES = 120


@room
def compare(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The runs `a` and `b` with their steps aligned; without both, the form that asks for them."""
    picked = request.GET.getlist("run")
    if picked:
        return _of_picked(request, actor, picked)
    names = [request.GET.get(side, "").strip() for side in ("a", "b")]
    ids = [run_by_words(actor, name) for name in names]
    problems = [
        _("This is no id of a run.") if name and found is None else ""
        for name, found in zip(names, ids, strict=True)
    ]
    a, b = (_known(actor, found, problems, n) for n, found in enumerate(ids))
    if a is None or b is None:
        return _ask(request, actor, names, problems, a or b)
    return _pair(request, actor, a, b)


def _pair(request: HttpRequest, actor: Actor, a: Run, b: Run) -> HttpResponse:
    shared = (shared_until(actor, b, a), shared_until(actor, a, b))
    asked = _after(request.GET.get("after", ""))
    start = asked or shared
    n_same, is_equal, marks_first = 0, False, asked is None or asked == shared
    if asked is None:
        n_same, *start_seqs, is_equal = first_difference(actor, a, b, a_after=start[0], b_after=start[1])
        start = (start_seqs[0], start_seqs[1])
    left = nodes_for(actor, a, after=start[0], limit=PAGE_NODES)
    right = nodes_for(actor, b, after=start[1], limit=PAGE_NODES)
    found = aligned(left, right, PAGE_NODES, start)
    other = [pair for pair in found.pairs if verdict(pair) != "same"]
    actions = tuple(
        actions_in(actor, run, [pair[side].seq for pair in other if pair[side]], SHOWN_ACTIONS)  # type: ignore[union-attr]  # asked for
        for side, run in enumerate((a, b))
    )
    rows = rows_of(found.pairs, (actions[0], actions[1]), b.pk, marks_first=marks_first)
    context: dict[str, Any] = {
        "a": a, "b": b, "cards": [run_row(a), run_row(b)], "totals": totals_of(a, b), "rows": rows, "shared": shared,
        "n_same": n_same, "is_equal": is_equal, "is_later": asked is not None, "next": _place(found.next_after),
        "begins": _place(shared), "values": _values(actor, a, b),
        "first": next((row for row in rows if row.is_first), None), "ends": _ends(a, b),
    }  # fmt: skip
    return respond(request, "runs/compare.html", context, regions={"pairs": "pairs"})


def _of_picked(request: HttpRequest, actor: Actor, picked: list[str]) -> HttpResponse:
    """Two runs that were selected in a list go to their page; the older one is A."""
    if len(picked) != 2 or not all(run_by_words(actor, name) for name in picked):
        told = _("Select exactly two runs in the list; %(n)d were selected.") % {"n": len(picked)}
        return _ask(request, actor, [*picked, "", ""][:2], [told, ""], None)
    a, b = sorted(picked)
    return redirect(f"{reverse('runs:compare')}?a={a}&b={b}")


def _ask(
    request: HttpRequest, actor: Actor, names: list[str], problems: list[str], known: Run | None
) -> HttpResponse:
    near = (
        [run_row(run_for(actor, run.pk, also_archived=True)) for run in runs_to_compare(actor, known)]
        if known
        else []
    )
    status = 404 if any(problems) else 200
    context = {
        "names": names,
        "problems": problems,
        "known": known,
        "near": near,
        "sides": zip("ab", names, problems, strict=True),
    }
    return respond(request, "runs/compare.html", context | {"is_asking": True}, status=status)


def _known(actor: Actor, run_id: UUID | None, problems: list[str], side: int) -> Run | None:
    try:
        return run_for(actor, run_id) if run_id else None
    except NotFoundError:
        problems[side] = _("This team has no run with this id. It may have been deleted.")
        return None


def _after(words: str) -> tuple[int, int] | None:
    a, _dot, b = words.partition(".")
    is_place = all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (a, b))
    return (int(a), int(b)) if is_place else None


def _place(seqs: tuple[int, int] | None) -> str:
    return f"{seqs[0]}.{seqs[1]}" if seqs else ""


def _values(actor: Actor, a: Run, b: Run) -> list[tuple[str, bool]]:
    """Return whether the two were given the same, and whether the same came of them."""
    found = [(_("Input"), input_for(actor, a.pk) == input_for(actor, b.pk))]
    outputs = output_for(actor, a.pk), output_for(actor, b.pk)
    if outputs != (None, None):
        found.append((_("Output"), outputs[0] == outputs[1]))
    return found


def _ends(a: Run, b: Run) -> str:
    """Return the address of what differs between the two last states."""
    return reverse("runs:diff", args=[a.pk, a.head_seq, f"{b.pk}:{b.head_seq}"])
