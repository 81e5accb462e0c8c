"""Let the permissions of one turn count from when its last action was decided: they are used together."""

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from agentops.common.conf import conf
from agentops.common.transactions import transaction_required
from approvals.models import Request
from approvals.selectors.turns import turn_of


@transaction_required
def renew_grants(*, run_id: UUID, seq: int) -> int:
    """Renew the unused permissions of the turn that the step is of; returns how many. None while one is undecided.

    Locks: the rows of the requests; the run row must be locked by then.
    """
    turn = turn_of(run_id, seq)
    if len(turn) < 2 or any(one.status == "pending" for one in turn):
        return 0
    allowed = Request.objects.filter(pk__in=[one.pk for one in turn], status="approved", used_at__isnull=True)
    return allowed.update(grant_expires_at=Now() + timedelta(seconds=conf().approval_grant_seconds))
