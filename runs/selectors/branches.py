"""Reading the branches of a run, and the runs that were forked from it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Min

from agentops.accounts.roles import Actor
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Branch, Checkpoint, Run, Signal, Step
from runs.selectors.runs import run_for, runs_of

MAX_FORKS = 200


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A branch and how far it came.

    `row` is None for the first branch of a run that was simply started. `last_seq` is the last step that was done on it;
    `end_seq` where it ends: at its last step, at the run's head, or where the next branch left it.
    """

    number: int
    parent_number: int
    from_seq: int
    first_seq: int
    last_seq: int
    n_steps: int
    is_current: bool
    began_at: datetime
    row: Branch | None


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of a run by number, its newest forks, and how many forks there are.

    `origin` is the run that this one was forked from, None when it was not, or when that run is gone.
    """

    run: Run
    branches: list[BranchRow]
    forks: list[Run]
    n_forks: int
    origin: Run | None


def branches_for(actor: Actor, run_id: UUID) -> Branches:
    """Return how the run went, and where others went on from it.

    Raises: NotFoundError
    """
    run = run_for(actor, run_id)
    rows = {row.number: row for row in Branch.objects.filter(run_id=run.pk).order_by("number")}
    reach = {
        number: (first, last, began)
        for number, first, last, began in Step.objects.filter(run_id=run.pk, team_id=actor.team_id)
        .order_by()
        .values_list("branch")
        .annotate(Min("seq"), Max("seq"), Min("started_at"))
    }
    numbers = sorted({1, run.branch, *rows})
    forks = (
        runs_of(actor).filter(forked_from_id=run.pk).select_related("agent").order_by("-created_at", "-id")
    )
    origin = runs_of(actor).filter(pk=run.forked_from_id).first() if run.forked_from_id else None
    found = [_branch(run, number, rows.get(number), reach.get(number)) for number in numbers]
    return Branches(run, found, list(forks.defer("input", "output")[:MAX_FORKS]), forks.count(), origin)


def _branch(run: Run, number: int, row: Branch | None, reach: tuple[int, int, datetime] | None) -> BranchRow:
    first = row.first_seq if row else 1
    last = reach[1] if reach else first
    is_own = row is not None and row.parent_number > 0
    return BranchRow(
        number=number,
        parent_number=row.parent_number if row else 0,
        from_seq=row.checkpoint_seq if row and is_own else 0,
        first_seq=first,
        last_seq=max(last, run.node_seq if number == run.branch else first),
        n_steps=last - first + 1 if reach else 0,
        is_current=number == run.branch,
        began_at=row.at if row else run.created_at,
        row=row,
    )


def has_signals(actor: Actor, run: Run) -> bool:
    return Signal.objects.filter(team_id=actor.team_id, run_id=run.pk).exists()


def usual_point(actor: Actor, run: Run) -> int:
    """Return the step from which somebody most likely wants to go another way.

    That is the last good checkpoint of a run whose rows fail their check, the node that failed, the checkpoint before
    the end of a run that succeeded, and else the head.
    """
    last_good = (run.waiting_on or {}).get("last_good_seq")
    if "integrity_failed" in run.health and isinstance(last_good, int):
        return last_good
    if run.status == RunStatus.FAILED:
        return run.node_seq
    is_at_end = RunStatus(run.status) in TERMINAL and run.head_seq == run.node_seq
    if not is_at_end:
        return run.head_seq
    found = Checkpoint.objects.filter(team_id=actor.team_id, run_id=run.pk, kind="d", seq=run.head_seq)
    return found.values_list("parent_seq", flat=True).first() or 0
