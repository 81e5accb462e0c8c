"""Giving a fork the signals that its parent had not used yet where it begins."""

from agentops.common.ids import new_id
from runs.models import Run, Signal, Step, Wait
from runs.selectors.points import Point


def copy_signals(parent: Run, point: Point, fork: Run) -> int:
    """Copy the signals that the parent took behind the point, or not at all; returns how many.

    Transaction: the caller's.
    """
    taken = Wait.objects.filter(run_id=parent.pk, closed_as="signal")
    steps = Step.objects.filter(run_id=parent.pk, seq__in=taken.values("seq"))
    used = taken.filter(seq__in=[step.seq for step in steps if point.is_before(step)], ref_id__isnull=False)
    left = Signal.objects.filter(run_id=parent.pk).exclude(pk__in=used.values("ref_id"))
    copies = [
        Signal(
            id=new_id(), run=fork, team_id=fork.team_id, name=signal.name, payload=signal.payload, sender=signal.sender,
            delivery_id=signal.delivery_id, digest=signal.digest,
        )
        for signal in left.order_by("created_at", "id")
    ]  # fmt: skip
    return len(Signal.objects.bulk_create(copies))
