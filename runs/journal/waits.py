"""Rows of what a run waits for: registered with the step, loaded by the lease holder, settled with the outcome.

Others close them (runs.services.settle_waits, under the lock of the run row); only the lease holder settles them, and a
signal that a settled wait did not use is free again. Source: PROTOCOL 16; ADR 0008.
"""

import json
from collections import defaultdict
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.blobs import load
from runs.engine.journal import Request
from runs.engine.waits import WaitRow
from runs.journal.children import children_text
from runs.journal.fence import Lease, Row, persist, query

LOAD_WAITS = """
SELECT w.seq, w.n, w.kind, w.name, w.key, w.is_all, w.closed_as, w.closed_at::text, w.closed_by, w.reply::text,
    coalesce(e.payload, s.payload)::text, coalesce(e.id, s.id, c.id)::text, coalesce(e.received_at, s.created_at, c.ended_at)::text,
    coalesce(e.source, 'signal'), e.key, c.status, c.output_codec, c.output, c.error::text
FROM runs_wait w
    LEFT JOIN runs_event e ON w.closed_as = 'event' AND e.id = w.ref_id
    LEFT JOIN runs_signal s ON w.closed_as = 'signal' AND s.id = w.ref_id
    LEFT JOIN runs_run c ON w.closed_as = 'child' AND c.id = w.ref_id
WHERE w.run_id = %(run_id)s AND w.settled_at IS NULL ORDER BY w.seq, w.n
"""
WAIT_KINDS = frozenset({"wait", "approval", "child_run"})


def is_wait(request: Request) -> bool:
    """Return whether the action waits for something that others bring about; a sleep does not."""
    return request.kind in WAIT_KINDS and "timeout_seconds" in request.args


def load_waits(lease: Lease) -> dict[int, list[WaitRow]]:
    """Return the unsettled waits of the run by the step they belong to, with what was delivered."""
    found: dict[int, list[WaitRow]] = defaultdict(list)
    for row in persist(lambda: query(LOAD_WAITS, {"run_id": lease.run_id})):
        found[row[0]].append(_wait_row(row))
    return found


def wait_rows(request: Request) -> str:
    """Return the rows that the arm `waits` of a statement inserts, as JSON."""
    if request.kind == "approval":
        question = {key: value for key, value in request.args.items() if key != "timeout_seconds"}
        return json.dumps([{"n": 0, "kind": "person", "name": request.name, "details": question}])
    if request.kind == "child_run":
        return json.dumps([{"n": 0, "kind": "children", "name": request.name}])
    conditions, is_all = request.args["conditions"], request.args["mode"] == "all"
    assert isinstance(conditions, list)
    return json.dumps([{**_members(found), "n": n, "is_all": is_all} for n, found in enumerate(conditions)])


def waiting_text(request: Request) -> str:
    """Return what the run waits for in the words that people read on its page."""
    if request.kind == "approval":
        return str(request.args["summary"] or f"approval of {request.name}")[:300]
    if request.kind == "child_run":
        return children_text(request)
    conditions = request.args["conditions"]
    assert isinstance(conditions, list)
    told = [_told(_members(found)) for found in conditions[:3]]
    more = f" and {len(conditions) - 3} more" if len(conditions) > 3 else ""
    return ((" and " if request.args["mode"] == "all" else " or ").join(told) + more)[:300]


def _told(condition: dict[str, Any]) -> str:
    of_key = f" of {condition['key']}" if condition.get("key") else ""
    return f"{condition['kind']} {condition['name']}{of_key}"


def _members(found: JsonValue) -> dict[str, Any]:
    assert isinstance(found, dict)
    return found


def _wait_row(row: Row) -> WaitRow:
    _, n, kind, name, key, is_all, closed_as, closed_at, closed_by, reply = row[:10]
    head: JsonObject = {"index": n, "kind": kind, "name": name}
    delivered: JsonObject | None = None
    if closed_as in ("event", "signal"):
        delivered = head | {
            "key": row[14] or key,
            "payload": json.loads(row[10]),
            "id": row[11],
            "at": row[12],
            "source": row[13],
        }
    elif closed_as == "child":
        delivered = head | {"id": row[11], "at": row[12], "source": "run", **_end_of_child(row)}
    elif closed_as == "children":
        delivered = head
    elif closed_as == "person":
        delivered = head | {"by": closed_by, "at": closed_at, **json.loads(reply or "{}")}
    return WaitRow(n, is_all, closed_as, closed_at or "", closed_by, delivered)


def _end_of_child(row: Row) -> JsonObject:
    output = None if row[17] is None else load(row[16], row[17])
    found = None if row[18] is None else json.loads(row[18])
    error = found and {"code": found.get("code"), "message": found.get("message")}
    return {"status": row[15], "output": output, "error": error}
