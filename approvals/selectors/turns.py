"""The actions of one turn of a run: they are decided one by one, and done together."""

from uuid import UUID

from approvals.models import Request
from runs.models import Step

KINDS = ("approve", "permission")


def turn_of(run_id: UUID, seq: int) -> list[Request]:
    """Return what was asked about actions of the same node as the step, in their order: of each the newest request.

    Empty for a step that is not there any more.
    """
    node = Step.objects.filter(run_id=run_id, seq=seq).values("parent_seq", "branch").first()
    if node is None:
        return []
    steps = Step.objects.filter(run_id=run_id, parent_seq=node["parent_seq"], branch=node["branch"])
    found = Request.objects.filter(run_id=run_id, kind__in=KINDS, seq__in=steps.values("seq"))
    return list(found.order_by("seq", "-opened_at").distinct("seq"))
