"""Take a question off the desk that nobody needs to answer any more."""

from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from agentops.audit.services.record import record_of_product
from agentops.common.transactions import transaction_required
from approvals.models import Request
from runs.models import Run, Step, Wait


@transaction_required
def close_request(*, run_id: UUID, seq: int) -> bool:
    """Close the open request of the step as what became of the question; returns whether one was open and is closed.

    Nothing happens while the question still stands.
    Locks: the request row; the run row must be locked by then, or its question over for good.
    """
    request = Request.objects.select_for_update().filter(run_id=run_id, seq=seq, status="pending").first()
    ended = _end_of(run_id, seq) if request else None
    if request is None or ended is None:
        return False
    status, by = ended
    Request.objects.filter(pk=request.pk).update(
        status=status, closed_at=Now(), closed_by=by[:200], version=F("version") + 1, claimed_by=None, claimed_until=None
    )  # fmt: skip
    record_of_product(
        team_id=request.team_id, by=by or "the clock", action="approval.close", subject=f"approval:{request.pk}",
        detail={"status": status, "run": str(run_id), "step": seq},
    )  # fmt: skip
    return True


def _end_of(run_id: UUID, seq: int) -> tuple[str, str] | None:
    """Return the request's status and who brought it about; None while the question stands."""
    run = Run.objects.only("ended_at", "status", "ended_by", "branch").get(pk=run_id)
    if run.ended_at is not None:
        return "cancelled", run.ended_by or f"the run is {run.status}"
    wait = Wait.objects.filter(run_id=run_id, seq=seq, kind="person").first()
    if wait is not None:
        status = {"timeout": "expired", "person": "answered"}.get(wait.closed_as, "cancelled")
        return (status, wait.closed_by) if wait.closed_at is not None or wait.settled_at is not None else None
    step = Step.objects.filter(run_id=run_id, seq=seq).only("status", "branch", "is_superseded").first()
    stands = step is not None and step.status in ("asked", "unknown") and step.branch == run.branch
    return None if stands else ("cancelled", "the run went on")
