"""Commits of nodes: the only ones that write a delta and move the head (PROTOCOL 2, 4)."""

import json
from dataclasses import dataclass
from typing import Any

from agentops.common.conf import conf
from agentops.common.ids import new_token
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.blobs import shelved
from runs.checkpoints.chain import checkpoint_hash, end_mac, files_hash
from runs.checkpoints.codec import Encoded, encode, encode_capped
from runs.checkpoints.segments import Segment, Tail
from runs.engine.files import contents_of
from runs.engine.updates import Delta
from runs.journal.fence import Lease, Row, execute, fenced, persist
from runs.journal.pending import Pending
from runs.journal.statements import CLOSE_OPEN_STEPS, CONFIRM_ATTEMPT, CONFIRM_STEP, statement, with_blobs


@dataclass(slots=True)
class Position:
    """Where a run stands: its head, and the node that comes next."""

    branch: int
    head_seq: int
    head_hash: bytes
    node: str
    node_seq: int
    node_attempt: int
    node_at: str | None
    control: str = ""


@dataclass(frozen=True, slots=True)
class NodeCommit:
    """What a finished node leaves: its delta, what people read, how many actions it did, and what files it changed."""

    delta: Encoded
    hash: bytes
    segment: Segment | None
    summary: str
    n_actions: int
    files: Encoded | None = None
    files_hash: bytes = b""
    file_uses: tuple[bytes, ...] = ()


def encode_delta(
    lease: Lease,
    position: Position,
    delta: Delta,
    tail: Tail,
    *,
    summary: str,
    n_actions: int,
    files: JsonObject | None = None,
) -> NodeCommit:
    """Return the delta as it will be stored, chained to the head, with the segment that it completes, if any.

    `files` is what the node changed in its workspace (runs.engine.files). Delta and change are added to `tail`.
    Raises: TooLargeError
    """
    what, place = f"the update of node {position.node!r}", (lease.team_id, lease.run_id, position.node_seq)
    encoded = shelved(lease.team_id, encode_capped(delta, max_bytes=conf().value_max_bytes, what=what))
    change = None if files is None else shelved(lease.team_id, encode(files))
    if change is not None:
        tail.files = files_hash(*place, tail.files, change)
    link = checkpoint_hash(*place, position.head_hash, encoded, files=tail.files)
    tail.add(delta)
    segment = tail.segment(*place, link)
    uses = () if files is None else tuple(contents_of(files))
    return NodeCommit(encoded, link, segment, summary[:300], n_actions, change, tail.files, uses)


def commit_goto(
    lease: Lease, position: Position, done: NodeCommit, *, node: str, next_seq: int, pending: Pending
) -> None:
    """Commit the node and stay: `position` is moved to the next one.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    row = _commit("goto", lease, position, done, {"next_node": node, "next_seq": next_seq}, pending)
    _move(position, done, node, next_seq, row)


def commit_sleep(
    lease: Lease,
    position: Position,
    done: NodeCommit,
    *,
    node: str,
    next_seq: int,
    seconds: float,
    pending: Pending,
) -> str:
    """Commit the node and leave the run sleeping before the next one; return the control word.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    waiting_on = {"kind": "timer", "seq": next_seq, "text": f"{node} is due"}
    more = {
        "next_node": node,
        "next_seq": next_seq,
        "wake_seconds": seconds,
        "waiting_on": json.dumps(waiting_on),
    }
    return str(_commit("goto_sleep", lease, position, done, more, pending)[1])


def commit_finish(
    lease: Lease, position: Position, done: NodeCommit, *, output: JsonValue, pending: Pending
) -> bool:
    """Commit the last node; the run has succeeded. Return whether it has a parent or children to tell.

    Raises: LeaseLost; TooLargeError for the output. Transaction: none open; one statement.
    """
    what = "the output of the run"
    encoded = shelved(lease.team_id, encode_capped(output, max_bytes=conf().value_max_bytes, what=what))
    head = (position.node_seq, done.hash)
    mac = end_mac(lease.team_id, lease.run_id, head, codec=encoded.codec, output=encoded.body)
    more = {"output": encoded.body, "output_codec": encoded.codec, "end_mac": mac, "value": encoded}
    return bool(_commit("finish", lease, position, done, more, pending)[3])


def commit_failure(
    lease: Lease, position: Position, error: JsonObject, *, n_actions: int, pending: Pending
) -> bool:
    """Record that the node, and with it the run, has failed; the head stays where it was.

    Return whether it has a parent or children to tell.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    head = (position.head_seq, position.head_hash)
    params = _params(lease, position) | {
        "status": "failed", "summary": str(error["message"])[:300], "error_code": str(error["code"])[:100],
        "end_mac": end_mac(lease.team_id, lease.run_id, head, error=error), "run_error": json.dumps(error), "health": [], "n_steps": 1 + n_actions, "n_failed": 1,
    }  # fmt: skip
    return bool(_fenced("fail", ("node_step",), params, pending)[3])


def retry_node(
    lease: Lease, position: Position, *, seconds: float, text: str, supersede_from: int, pending: Pending
) -> str:
    """Record a failed attempt of the node and let the run sleep until the next one (PROTOCOL 7).

    Returns the control word. `pending` holds the attempt. Actions from the ordinal `supersede_from` on are superseded.
    Raises: LeaseLost. Transaction: none open; one statement.
    """
    waiting_on = {"kind": "retry", "seq": position.node_seq, "text": text}
    params = _params(lease, position) | {
        "wake_seconds": seconds, "waiting_on": json.dumps(waiting_on), "health": ["retrying"],
        "supersede_from": supersede_from, "n_steps": 0, "n_failed": 0,
    }  # fmt: skip
    row = _fenced("retry_node", ("supersede",), params, pending, confirm_sql=CONFIRM_ATTEMPT)
    return str(row[1])


def release(lease: Lease) -> None:
    """Give the run back to its queue; nothing happens when the lease is already lost."""
    persist(lambda: execute(_RELEASE, _fence(lease)))


def sleep(lease: Lease, seconds: float, *, waiting_on: JsonObject, pending: Pending) -> None:
    """Let the run sleep without a step to show for it; nothing happens when the lease is already lost."""
    sql = statement("sleep", ())
    params = _fence(lease) | pending.params() | {
        "wake_seconds": seconds, "waiting_on": json.dumps(waiting_on), "health": [], "n_steps": 0, "n_failed": 0,
    }  # fmt: skip
    persist(lambda: execute(sql, params))


def end_cancelled(lease: Lease) -> bool:
    """End the run as cancelled, as was asked for while it was executed, also when it has left to sleep or wait.

    Return whether it has a parent or children to tell.
    """
    row = persist(lambda: execute(_CANCELLED, _fence(lease)))
    return row is not None and bool(row[0])


def pause_asked(lease: Lease) -> None:
    """Pause the run, as was asked for while it was executed, also when it has left to sleep or wait."""
    persist(lambda: execute(_PAUSE_ASKED, _fence(lease)))


def pause(lease: Lease, *, kind: str, text: str) -> None:
    """Pause the run with the reason that people read."""
    params = _fence(lease) | {"waiting_on": json.dumps({"kind": kind, "text": text})}
    persist(lambda: execute(_PAUSED, params))


def pause_over_budget(lease: Lease, told: JsonObject) -> None:
    """Pause the run for its budget is used up, as `told` says; who raises it lets the run go on."""
    persist(lambda: execute(_OVER_BUDGET, _fence(lease) | {"waiting_on": json.dumps(told)}))


_GUARD = "WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running'"
# The commit that let the run sleep or wait may be what tells that it should end or pause.
_ASKED = (
    "WHERE id = %(run_id)s AND epoch = %(epoch)s"
    " AND status IN ('running', 'queued', 'sleeping', 'waiting', 'awaiting_approval')"
)
_RELEASE = f"UPDATE runs_run SET status = 'queued', worker_id = NULL, queued_at = clock_timestamp() {_GUARD}"
_CANCELLED = (
    "WITH r AS (UPDATE runs_run SET status = 'cancelled', worker_id = NULL, health = '{}', waiting_on = NULL,"
    f" control = '', wake_at = NULL, ended_at = clock_timestamp() {_ASKED} AND control = 'cancel' RETURNING id,"
    f" true AS is_ended, parent_id IS NOT NULL OR is_parent AS has_kin), s AS ({CLOSE_OPEN_STEPS}) SELECT has_kin FROM r"
)
_PAUSE_ASKED = (
    "UPDATE runs_run SET status = 'paused', control = '', worker_id = NULL,"
    " paused_from = CASE WHEN status = 'running' THEN 'queued' ELSE status END,"
    " waiting_on = CASE WHEN status = 'running' THEN NULL ELSE waiting_on END"
    f" {_ASKED} AND control = 'pause'"
)
_PAUSED = (
    "UPDATE runs_run SET status = 'paused', paused_from = 'queued', worker_id = NULL,"
    f" waiting_on = %(waiting_on)s::jsonb {_GUARD}"
)

_OVER_BUDGET = _PAUSED.replace(
    "worker_id = NULL,",
    "worker_id = NULL, health = array_append(array_remove(health, 'over_budget'), 'over_budget'),",
)


def _fence(lease: Lease) -> dict[str, Any]:
    return {"run_id": lease.run_id, "epoch": lease.epoch}


def _params(lease: Lease, position: Position) -> dict[str, Any]:
    return {
        "run_id": lease.run_id, "epoch": lease.epoch, "worker_id": lease.worker_id, "token": new_token(),
        "seq": position.node_seq, "branch": position.branch, "node_attempt": position.node_attempt,
        "name": position.node, "node_at": position.node_at, "elapsed_seconds": 0.0, "error_code": "",
        "health": [],
    }  # fmt: skip


def _commit(
    guard: str, lease: Lease, position: Position, done: NodeCommit, more: dict[str, Any], pending: Pending
) -> Row:
    params = _params(lease, position) | {
        "status": "succeeded", "summary": done.summary, "hash": done.hash, "parent_seq": position.head_seq,
        "codec": done.delta.codec, "body": done.delta.body, "key_id": conf().integrity_key_id,
        "n_steps": 1 + done.n_actions, "n_failed": 0, **more,
    }  # fmt: skip
    values = [params.pop("value", None), done.delta, done.files]
    arms: tuple[str, ...] = ("node_step", "checkpoint")
    if done.files is not None:
        arms += ("files", "file_uses")
        params |= {
            "file_uses": list(done.file_uses),
            "files_codec": done.files.codec,
            "files_body": done.files.body,
            "files_hash": done.files_hash,
        }
    if done.segment is not None:
        arms += ("segment",)
        values.append(done.segment.encoded)
        params |= {
            "segment_from": done.segment.from_seq, "segment_codec": done.segment.encoded.codec,
            "segment_body": done.segment.encoded.body, "segment_mac": done.segment.mac,
        }  # fmt: skip
    arms = with_blobs(arms, params, [value for value in values if value is not None])
    return _fenced(guard, arms, params, pending)


def _fenced(
    guard: str,
    arms: tuple[str, ...],
    params: dict[str, Any],
    pending: Pending,
    confirm_sql: str = CONFIRM_STEP,
) -> Row:
    sql = statement(guard, arms + pending.arms(), has_progress=pending.progress is not None)
    row = fenced(sql, params | pending.params(), confirm_sql=confirm_sql)
    pending.clear()
    return row


def _move(position: Position, done: NodeCommit, node: str, next_seq: int, row: Row) -> None:
    position.head_seq, position.head_hash = position.node_seq, done.hash
    position.node, position.node_seq, position.node_attempt = node, next_seq, 1
    position.control, position.node_at = row[1], row[2]
