"""Rows of the children that one action starts and waits for, and what came of them."""

import json
from typing import Any
from uuid import UUID

from agentops.common.ids import new_id
from agentops.common.types import JsonObject
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import IntegrityError, end_mac, same
from runs.checkpoints.codec import encode
from runs.engine.children import inputs_of
from runs.engine.journal import Request
from runs.journal.fence import Lease, Row, persist, query

MAX_MESSAGE_CHARACTERS = 300

_ENDED = (
    "SELECT coalesce(child_n, 0), id, status, output IS NOT NULL, error->>'code', error->>'message', end_reason"
    " FROM runs_run WHERE parent_id = %(run_id)s AND parent_seq = %(seq)s ORDER BY child_n"
)
_OUTPUTS = (
    "SELECT id, output_codec, output, head_seq, head_hash, error::text, end_mac FROM runs_run"
    " WHERE parent_id = %(run_id)s AND id = ANY(%(ids)s::uuid[]) AND output IS NOT NULL"
)
_OWN = "SELECT id FROM runs_run WHERE parent_id = %(run_id)s AND id = ANY(%(ids)s::uuid[])"
_PAGE = 100


def children_text(request: Request) -> str:
    """Return what the action starts, in the words that people read."""
    if request.name == "outputs" and "run_ids" in request.args:
        return "outputs of children"
    n = len(inputs_of(request.args))
    return f"run of {request.name}" if n == 1 else f"{n:,} runs of {request.name}"


def fanout_params(request: Request) -> dict[str, Any]:
    """Return the parameters of the arm `fanout` of a statement."""
    args = request.args
    return {
        "fanout_id": new_id(), "n_children": len(inputs_of(args)), "concurrency": args["concurrency"],
        "min_successes": args["min_successes"],
    }  # fmt: skip


def load_children(lease: Lease, seq: int, *, max_bytes: int) -> list[JsonObject]:
    """Return the children of the action in order: how each ended, and what it put out.

    Outputs beyond `max_bytes` of JSON in all are left out, and their entries say so; the first is always there.
    """
    rows = persist(lambda: query(_ENDED, {"run_id": lease.run_id, "seq": seq}))
    with_output = [row[1] for row in rows if row[3]]
    outputs = _outputs_within(lease, with_output, max_bytes)
    return [_entry(row, outputs) for row in rows]


def outputs_of(lease: Lease, ids: list[UUID]) -> dict[UUID, Any]:
    """Return the outputs of those children of the run that have one.

    Raises: IntegrityError when one is not what the child put out.
    """
    found: dict[UUID, Any] = {}
    for start in range(0, len(ids), _PAGE):
        params = {"run_id": lease.run_id, "ids": ids[start : start + _PAGE]}
        rows = persist(lambda params=params: query(_OUTPUTS, params))  # type: ignore[misc]  # bound now
        found |= {row[0]: _output(lease, row) for row in rows}
    return found


def own_children(lease: Lease, ids: list[UUID]) -> set[UUID]:
    """Return those of the ids that are children of the run."""
    return {row[0] for row in persist(lambda: query(_OWN, {"run_id": lease.run_id, "ids": ids}))}


def _outputs_within(lease: Lease, ids: list[UUID], max_bytes: int) -> dict[UUID, Any]:
    found: dict[UUID, Any] = {}
    n_bytes = 0
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        outputs = outputs_of(lease, page)
        for run_id in page:
            n_bytes += encode(outputs[run_id]).plain_bytes
            if n_bytes > max_bytes and found:
                return found
            found[run_id] = outputs[run_id]
    return found


def _output(lease: Lease, row: Row) -> Any:
    run_id, codec, output, head_seq, head_hash, error, mac = row
    told = None if error is None else json.loads(error)
    found = end_mac(lease.team_id, run_id, (head_seq, head_hash), codec=codec, output=output, error=told)
    if mac is None or not same(found, mac):
        raise IntegrityError(run_id, head_seq, "the output")
    return load(codec, output)


def _entry(row: Row, outputs: dict[UUID, Any]) -> JsonObject:
    index, run_id, status, has_output, code, message, reason = row
    told = {"code": code or status, "message": (message or reason or status)[:MAX_MESSAGE_CHARACTERS]}
    entry: JsonObject = {
        "index": index, "run_id": str(run_id), "status": status, "output": outputs.get(run_id),
        "error": None if status == "succeeded" else told,
    }  # fmt: skip
    return entry | ({"is_left_out": True} if has_output and run_id not in outputs else {})
