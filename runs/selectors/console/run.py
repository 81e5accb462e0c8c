"""Reads of the run page outside its tree."""

from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.checkpoints.blobs import load
from runs.checkpoints.lineage import branch_of, lineage
from runs.models import Attempt, Checkpoint, LogLine, Run, Step
from runs.selectors.runs import runs_of


def input_for(actor: Actor, run_id: UUID) -> Any:
    """Return the input of a run.

    Raises: NotFoundError
    """
    codec, body = _value(actor, run_id, "input_codec", "input")
    return load(codec, body)


def output_for(actor: Actor, run_id: UUID) -> Any:
    """Return the output of a run; None when it has none.

    Raises: NotFoundError
    """
    codec, body = _value(actor, run_id, "output_codec", "output")
    return None if body is None else load(codec, body)


def _value(actor: Actor, run_id: UUID, *columns: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = runs_of(actor).filter(id=run_id).values_list(*columns).first()
    if found is None:
        raise NotFoundError(f"there is no run {run_id}")
    return found


def log_lines_for(
    actor: Actor, run: Run, *, after: tuple[int, int] = (0, -1), limit: int, level: str = ""
) -> list[LogLine]:
    """Return at most `limit` log lines behind the place `after` (seq, n), in their order."""
    found = LogLine.objects.filter(team_id=actor.team_id, run_id=run.pk)
    found = found.extra(where=["(seq, n) > (%s, %s)"], params=list(after))
    if level:
        found = found.filter(level=level)
    return list(found.order_by("seq", "n")[:limit])


def log_levels_for(actor: Actor, run: Run) -> dict[str, int]:
    """Return how many lines each level has."""
    found = LogLine.objects.filter(team_id=actor.team_id, run_id=run.pk)
    return dict(found.values_list("level").annotate(n=Count("n")).order_by("level"))


def step_names_for(actor: Actor, run: Run, seqs: set[int]) -> dict[int, str]:
    """Return the names of some steps."""
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, seq__in=seqs)
    return dict(found.values_list("seq", "name"))


def checkpoints_around(actor: Actor, run: Run, seq: int) -> tuple[int | None, int | None]:
    """Return the seqs of the checkpoints before and after `seq` on its branch; 0 is the input."""
    stretches = lineage(run.pk, branch_of(run, seq)).stretches
    on_branch = reduce(or_, (Q(branch=branch, seq__lte=upto) for branch, upto in stretches))
    found = Checkpoint.objects.filter(on_branch, team_id=actor.team_id, run_id=run.pk, kind="d")
    before = found.filter(seq__lt=seq).order_by("-seq").values_list("seq", flat=True).first()
    after = found.filter(seq__gt=seq).order_by("seq").values_list("seq", flat=True).first()
    return (before or 0) if seq > 0 else None, after


def step_or_none(actor: Actor, run: Run, seq: int) -> Step | None:
    """Return the row of a step; None for the node that runs now, which has no row yet."""
    return Step.objects.filter(team_id=actor.team_id, run_id=run.pk, seq=seq).first()


def attempts_for(actor: Actor, run: Run, seq: int) -> list[Attempt]:
    found = Attempt.objects.filter(team_id=actor.team_id, run_id=run.pk, seq=seq)
    return list(found.order_by("number"))


def last_try_for(actor: Actor, run: Run) -> Attempt | None:
    """Return the newest failed attempt of the step whose retry the run sleeps for; None when it does not."""
    waiting_on = run.waiting_on or {}
    seq = waiting_on.get("seq")
    if waiting_on.get("kind") != "retry" or not isinstance(seq, int):
        return None
    found = Attempt.objects.filter(team_id=actor.team_id, run_id=run.pk, seq=seq)
    return found.order_by("-number").first()


def actions_for(actor: Actor, run: Run, node_seq: int, limit: int) -> tuple[list[Step], int]:
    """Return the first actions inside a node, and how many there are."""
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, parent_seq=node_seq, seq__gt=node_seq)
    shown = list(found.order_by("seq")[: limit + 1])
    return shown[:limit], len(shown) if len(shown) <= limit else found.count()
