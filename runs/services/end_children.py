"""What becomes of open children: when their parent has ended, or when a fan-out has failed without them.

Each child says it itself (`on_parent_end`): it is cancelled, gets a signal, or goes on. The parent's row is not held
meanwhile, and each level of a tree is a transaction of its own; what breaks off is done again by the clock, which finds
ended runs whose children were not told (`is_parent`). Source: PROTOCOL 6.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agentops.common.canonical import digest
from agentops.common.ids import new_id
from agentops.common.types import JsonObject
from runs import broadcasts
from runs.journal.fence import execute, query
from runs.journal.statements import CLOSE_OPEN_STEPS
from runs.services.settle_waits import settle_waits

PARENT_ENDED = "parent_ended"
BATCH = 500
PARENTS = 100

_LEFT = "SELECT id FROM runs_run WHERE is_parent AND ended_at IS NOT NULL ORDER BY ended_at LIMIT %(limit)s"
_HOW = "SELECT status, ended_at::text FROM runs_run WHERE id = %(run_id)s"
_OF_PARENT = "c.parent_id = %(run_id)s AND c.ended_at IS NULL AND (%(seq)s::bigint IS NULL OR c.parent_seq = %(seq)s::bigint)"
# Ends what nobody holds, and asks the others to; the same again changes nothing. What stands in line of a fan-out that is
# decided, or never stood, would wait for ever.
_CANCEL = f"""
WITH r AS (
    UPDATE runs_run SET
        status = CASE WHEN status = 'running' THEN status ELSE 'cancelled' END,
        control = CASE WHEN status = 'running' THEN 'cancel' ELSE '' END,
        ended_at = CASE WHEN status = 'running' THEN NULL ELSE clock_timestamp() END,
        health = CASE WHEN status = 'running' THEN health ELSE '{{}}' END,
        wake_at = NULL, waiting_on = NULL, ended_by = 'its parent', end_reason = %(reason)s
    WHERE ended_at IS NULL AND id = ANY(ARRAY(
        SELECT c.id FROM runs_run c WHERE {_OF_PARENT} AND NOT (c.status = 'running' AND c.control = 'cancel')
            AND (c.on_parent_end = 'cascade' OR c.is_in_line AND NOT EXISTS (
                SELECT 1 FROM runs_fanout f WHERE f.run_id = c.parent_id AND f.seq = c.parent_seq AND f.done_at IS NULL))
        ORDER BY c.id LIMIT %(limit)s FOR NO KEY UPDATE))
    RETURNING id, team_id, is_parent, status = 'cancelled' AS is_ended),
s AS ({CLOSE_OPEN_STEPS})
SELECT id, team_id, is_parent AND is_ended FROM r
"""  # noqa: S608 -- put together from constants
_ASKED = (
    f"SELECT c.id, c.team_id FROM runs_run c WHERE {_OF_PARENT} AND c.on_parent_end = 'request'"  # noqa: S608 -- constants
    " AND c.id > %(after)s ORDER BY c.id LIMIT %(limit)s"
)
_SIGNAL = (
    "INSERT INTO runs_signal (id, run_id, team_id, name, payload, sender, delivery_id, digest)"
    " SELECT x.id, x.run_id, x.team_id, %(name)s, %(payload)s::jsonb, 'its parent', %(delivery_id)s, %(digest)s"
    " FROM jsonb_to_recordset(%(rows)s::jsonb) AS x(id uuid, run_id uuid, team_id uuid) ON CONFLICT DO NOTHING"
)
_DONE = "UPDATE runs_run SET is_parent = false WHERE id = %(run_id)s AND ended_at IS NOT NULL AND ended_at = %(ended_at)s::timestamptz"


def end_children(run_id: UUID) -> int:
    """Tell the open children of a run that has ended, and theirs when that ends them; return how many runs were ended.

    Transaction: none open; one statement a level and page.
    """
    n_ended = 0
    parents = [run_id]
    while parents:
        parent_id = parents.pop()
        row = execute(_HOW, {"run_id": parent_id})
        if row is None or row[1] is None:
            continue
        n, below = _end(parent_id, None, f"its parent, run {parent_id}, {_ENDS[row[0]]}")
        _signal(parent_id, None, *row)
        execute(_DONE, {"run_id": parent_id, "ended_at": row[1]})
        n_ended += n
        parents += below
    return n_ended


def end_rest(run_id: UUID, seq: int) -> None:
    """End what is left of a fan-out that has failed: by each child's own rule; those in line never begin."""
    _, below = _end(run_id, seq, f"too many others of run {run_id} did not succeed")
    _signal(run_id, seq, "failed", None)
    for parent_id in below:
        end_children(parent_id)


def end_abandoned(run_id: UUID, seqs: Sequence[int]) -> None:
    """End what is left of the fan-outs of a branch that the run has left: by each child's own rule."""
    for seq in seqs:
        _, below = _end(run_id, seq, f"run {run_id} went back to before it started them")
        _signal(run_id, seq, "rewound", None)
        for parent_id in below:
            end_children(parent_id)


def end_left_children() -> int:
    """Do what a run's end meant for its children where that broke off; the clock's part. Returns how many runs were ended."""
    return sum(end_children(row[0]) for row in query(_LEFT, {"limit": PARENTS}))


_ENDS = {
    "succeeded": "has succeeded",
    "failed": "has failed",
    "cancelled": "was cancelled",
    "expired": "has expired",
}


def _end(run_id: UUID, seq: int | None, reason: str) -> tuple[int, list[UUID]]:
    """Return how many children were ended or asked to end, and which of them had children of their own."""
    params: dict[str, Any] = {"run_id": run_id, "seq": seq, "reason": reason, "limit": BATCH}
    n_ended, below = 0, []
    while rows := query(_CANCEL, params):
        n_ended += len(rows)
        below += [row[0] for row in rows if row[2]]
        for row in rows:
            broadcasts.hint(row[1], row[0])
    return n_ended, below


def _signal(run_id: UUID, seq: int | None, status: str, ended_at: str | None) -> None:
    """Send the signal `parent_ended` to the children that are only to be asked."""
    payload: JsonObject = {"run_id": str(run_id), "status": status}
    told = {
        "name": PARENT_ENDED, "payload": json.dumps(payload), "digest": digest(payload),
        "delivery_id": f"{PARENT_ENDED}:{run_id}:{ended_at or seq}",
    }  # fmt: skip
    after = UUID(int=0)
    while True:
        rows = query(_ASKED, {"run_id": run_id, "seq": seq, "after": after, "limit": BATCH})
        if not rows:
            return
        execute(_SIGNAL, told | {"rows": _rows(rows)})
        settle_waits([row[0] for row in rows])
        after = rows[-1][0]


def _rows(children: Sequence[Sequence[Any]]) -> str:
    return json.dumps(
        [
            {"id": str(new_id()), "run_id": str(run_id), "team_id": str(team_id)}
            for run_id, team_id in children
        ]
    )
