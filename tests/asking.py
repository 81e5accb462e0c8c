"""Requests on the desk, inserted as the shell would have left them."""

from typing import Any

from agentops.common.ids import new_id
from approvals.models import Request
from runs.models import Run


def a_request(run: Run, **columns: Any) -> Request:
    """Insert a request of the run, open unless told otherwise."""
    row = {
        "id": new_id(), "team_id": run.team_id, "run": run, "seq": 1, "kind": "approve", "agent": "billing", "action": "payment.refund",
        "run_title": "Weekly run", "args": {"amount": 480}, "proposed_args": {"amount": 480}, "stages": [{"quantifier": "any"}], **columns,
    }  # fmt: skip
    return Request.objects.create(**row)
