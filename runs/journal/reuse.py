"""The reusable outcomes of a branch: what is left of them, and their values, checked when they are served."""

from typing import Any

from agentops.common.types import JsonValue
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import IntegrityError, same
from runs.checkpoints.reuses import mac_of
from runs.engine.reuse import Mode, Reusable, Reuses
from runs.journal.fence import Lease, persist, query
from runs.models import Reuse

_ROWS = (
    "SELECT r.n, r.tool, r.request_hash, r.status, r.idempotency_key, CASE WHEN NOT s.is_superseded THEN s.seq END"
    " FROM runs_reuse r LEFT JOIN runs_step s ON s.run_id = r.run_id AND s.seq = r.taken_seq"
    " WHERE r.run_id = %(run_id)s AND r.branch = %(branch)s ORDER BY r.n"
)
_ASKED = "SELECT seq FROM runs_step WHERE run_id = %(run_id)s AND seq > %(node_seq)s AND status = 'asked'"


def load_reuses(lease: Lease, mode: str, branch: int, node_seq: int) -> Reuses:
    """Return what the branch may be served; a row that a superseded step had taken is free again."""
    params = {"run_id": lease.run_id, "branch": branch, "node_seq": node_seq}
    rows = persist(lambda: query(_ROWS, params))
    asked = persist(lambda: query(_ASKED, params))
    return Reuses(Mode(mode), [Reusable(*row) for row in rows], asked=[seq for (seq,) in asked])


def reusable_output(lease: Lease, branch: int, n: int) -> JsonValue:
    """Return the value of the branch's n-th reusable outcome.

    Raises: IntegrityError when it is not what was written.
    """
    row = Reuse.objects.get(run_id=lease.run_id, branch=branch, n=n)
    if row.body is None or not same(mac_of(row), row.mac):
        raise IntegrityError(lease.run_id, row.source_seq, "a reusable outcome")
    value: Any = load(row.body_codec, row.body)
    return value  # type: ignore[no-any-return]  # it was stored as JSON
