"""What a story is told of, beside the steps: waits, and what people did to the run."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentops.accounts.roles import Actor
from runs.models import Branch, Run, Step, Wait
from runs.selectors.console.overview import Gap
from runs.selectors.console.tree import steps_by_seq

MAX_WAITS = 50
TOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asides:
    """Of a stretch of steps: closed waits, idle times worth telling with their steps by seq, and branches that began."""

    waits: Sequence[Wait]
    gaps: Sequence[Gap]
    steps: dict[int, Step]
    branches: Sequence[Branch]


def asides_of(actor: Actor, run: Run, gaps: Sequence[Gap], *, after: int, upto: int) -> Asides:
    """Return what happened beside the steps behind `after`, up to `upto`; of waits at most MAX_WAITS."""
    told = [gap for gap in gaps if after < gap.seq <= upto and gap.seconds >= TOLD_SECONDS]
    waits = Wait.objects.filter(
        team_id=actor.team_id, run_id=run.pk, seq__gt=after, seq__lte=upto, closed_at__isnull=False
    )
    begun = Branch.objects.filter(
        team_id=actor.team_id, run_id=run.pk, number__gt=1, first_seq__gt=after, first_seq__lte=upto
    )
    return Asides(
        list(waits.order_by("seq", "n")[:MAX_WAITS]),
        told,
        steps_by_seq(actor, run, {gap.seq for gap in told if gap.kind == "wait"}),
        list(begun.order_by("number")),
    )
