"""The commit of a node that has failed while its run goes on elsewhere."""

from agentops.common.ids import new_token
from agentops.common.types import JsonObject
from runs.engine.control import LeaseLost
from runs.journal.fence import Lease, execute
from runs.journal.nodes import Position
from runs.journal.pending import Pending
from runs.journal.statements import statement


def leave_node(
    lease: Lease, position: Position, error: JsonObject, *, n_actions: int, pending: Pending
) -> str:
    """Record that the node has failed, and keep the run; return its control word. `pending` is taken along, not cleared.

    Raises: LeaseLost. Transaction: the caller's, which lets the run go on elsewhere; one fenced statement.
    """
    params = {
        "run_id": lease.run_id, "epoch": lease.epoch, "worker_id": lease.worker_id, "token": new_token(),
        "seq": position.node_seq, "branch": position.branch, "node_attempt": position.node_attempt, "name": position.node,
        "node_at": position.node_at, "elapsed_seconds": 0.0, "status": "failed", "summary": str(error["message"])[:300],
        "error_code": str(error["code"])[:100], "n_steps": 1 + n_actions, "n_failed": 1,
    }  # fmt: skip
    sql = statement("count", ("node_step", *pending.arms()), has_progress=pending.progress is not None)
    row = execute(sql, params | pending.params())
    if row is None:
        raise LeaseLost
    return str(row[1])
