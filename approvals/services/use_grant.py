"""Use up a permission as the write begins that it is for."""

from uuid import UUID

from django.db.models.functions import Now

from agentops.audit.services.record import record_of_product
from agentops.common.transactions import transaction_required
from approvals.models import Request
from runs.desk import GrantGoneError


@transaction_required
def use_grant(*, request_id: UUID, seq: int) -> None:
    """Mark the permission as used by the step; once, in the transaction that writes the intent.

    Raises: GrantGoneError
    """
    standing = Request.objects.filter(
        pk=request_id, status="approved", used_at__isnull=True, grant_expires_at__gt=Now()
    )
    if not standing.update(used_at=Now(), used_seq=seq):
        raise GrantGoneError(f"the permission {request_id} is used, revoked or over")
    request = Request.objects.only("team_id", "agent", "args_digest", "run_id").get(pk=request_id)
    record_of_product(
        team_id=request.team_id, by=f"agent {request.agent}", action="approval.use", subject=f"approval:{request_id}",
        detail={"run": str(request.run_id), "step": seq, "digest": request.args_digest},
    )  # fmt: skip
