"""Commits of actions: they lock the run row with the epoch and never move its head (PROTOCOL 2)."""

import json
from dataclasses import dataclass
from typing import Any

from agentops.common.conf import conf
from agentops.common.ids import new_token
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.chain import IntegrityError, outcome_mac, same
from runs.checkpoints.codec import decode, encode, encode_capped
from runs.engine.journal import Execute, Recorded
from runs.engine.tools import ToolSpec
from runs.journal.fence import Lease, Row, fenced, persist, query
from runs.journal.pending import Pending, now_seconds
from runs.journal.statements import CONFIRM_STEP, LOAD_ACTIONS, statement

_OPEN_BODY: dict[str, Any] = {"body": None, "body_codec": 0, "mac": b"", "key_id": 0}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an action stands: its node step, branch and the node's attempt."""

    node_seq: int
    branch: int
    node_attempt: int


def record(
    lease: Lease,
    place: Place,
    action: Execute,
    outcome: Recorded,
    spec: ToolSpec | None,
    began: float,
    pending: Pending,
) -> str:
    """Store the final outcome of an action whose row does not stand yet; returns the run's control word.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    params = _params(lease, place, action, spec, began) | _settled(lease, action, outcome)
    return _commit(("action_step", "outcome"), params, pending)


def begin(
    lease: Lease, place: Place, action: Execute, spec: ToolSpec, idempotency_key: str, pending: Pending
) -> str:
    """Store the intent of a write before it is called (PROTOCOL 8); returns the run's control word.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    params = _params(lease, place, action, spec, now_seconds()) | _OPEN_BODY | _intent(spec, idempotency_key)
    return _commit(("action_step", "outcome", "intent"), params, pending)


def renew(
    lease: Lease, place: Place, action: Execute, spec: ToolSpec, idempotency_key: str, pending: Pending
) -> str:
    """Store that the same write is called once more, under the same key.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    params = _params(lease, place, action, spec, now_seconds()) | _intent(spec, idempotency_key)
    return _commit(("update_step", "renew_intent"), params, pending)


def settle(
    lease: Lease, place: Place, action: Execute, outcome: Recorded, spec: ToolSpec | None, pending: Pending
) -> str:
    """Store the final outcome of an action whose row stands; returns the run's control word.

    Raises: LeaseLost. Transaction: none open; one statement.
    """
    params = _params(lease, place, action, spec, now_seconds()) | _settled(lease, action, outcome)
    arms = ("update_step", "update_outcome") + (("settle_intent",) if spec and spec.effect.is_write else ())
    return _commit(arms, params, pending)


def suspend(
    lease: Lease, place: Place, action: Execute, spec: ToolSpec | None, *, seconds: float, text: str, health: list[str],
    pending: Pending,
) -> None:  # fmt: skip
    """Let the run sleep until the action is due: the end of a wait, or the next attempt.

    Raises: LeaseLost. Transaction: none open; one statement that also moves the run to `sleeping`.
    """
    waiting_on = {"kind": "retry" if spec else "timer", "seq": action.seq, "text": text}
    params = _params(lease, place, action, spec, now_seconds()) | _OPEN_BODY | {
        "due_seconds": seconds, "wake_seconds": seconds, "health": health, "waiting_on": json.dumps(waiting_on),
    }  # fmt: skip
    _commit(
        ("update_step",) if action.is_begun else ("action_step", "outcome"), params, pending, guard="sleep"
    )


def load(lease: Lease, node_seq: int) -> tuple[list[Recorded], int]:
    """Return the recorded actions of the node step and the next free number of the run's counter.

    Raises: IntegrityError when an outcome is not what was written.
    """
    rows = persist(lambda: query(LOAD_ACTIONS, {"run_id": lease.run_id, "node_seq": node_seq}))
    own = [_recorded(lease, row) for row in rows if row[14] == node_seq and not row[13]]
    return own, max((row[0] for row in rows), default=node_seq) + 1


def _params(
    lease: Lease, place: Place, action: Execute, spec: ToolSpec | None, began: float
) -> dict[str, Any]:
    request: JsonObject = {
        "kind": action.request.kind,
        "name": action.request.name,
        "args": action.request.args,
    }
    encoded = encode_capped(
        request, max_bytes=conf().value_max_bytes, what=f"the request to {action.request.name}"
    )
    return {
        "run_id": lease.run_id, "epoch": lease.epoch, "worker_id": lease.worker_id, "token": new_token(),
        "seq": action.seq, "node_seq": place.node_seq, "branch": place.branch, "node_attempt": place.node_attempt,
        "ordinal": action.ordinal, "kind": action.request.kind, "name": action.request.name[:200],
        "effect": spec.effect.value if spec else "", "summary": _summary(action, spec), "status": "running",
        "attempts": action.attempts, "error_code": "", "elapsed_seconds": now_seconds() - began, "due_seconds": None,
        "request_hash": action.request_hash, "request": encoded.body, "request_codec": encoded.codec,
        "riders": json.dumps(action.riders) if action.riders else None,
    }  # fmt: skip


def _summary(action: Execute, spec: ToolSpec | None) -> str:
    if spec:
        return spec.summary(action.request.args)
    return ", ".join(f"{key} {value}" for key, value in action.request.args.items())[:300]


def _settled(lease: Lease, action: Execute, outcome: Recorded) -> dict[str, Any]:
    encoded = encode(outcome.error if outcome.error is not None else outcome.output)
    return {
        "status": outcome.status, "attempts": outcome.attempts, "body": encoded.body, "body_codec": encoded.codec,
        "error_code": str(outcome.error["code"])[:100] if outcome.error else "",
        "mac": outcome_mac(lease.team_id, lease.run_id, action.seq, action.request_hash, encoded.codec, encoded.body),
        "key_id": conf().integrity_key_id,
    }  # fmt: skip


def _intent(spec: ToolSpec, idempotency_key: str) -> dict[str, Any]:
    return {
        "tool_version": spec.version, "idempotency_key": idempotency_key, "timeout_seconds": spec.timeout_seconds,
    }  # fmt: skip


def _commit(arms: tuple[str, ...], params: dict[str, Any], pending: Pending, guard: str = "") -> str:
    counts = {"n_steps": 0, "n_failed": int(params["status"] == "failed")}
    guard = guard or ("count" if pending.progress or pending.n_retries or counts["n_failed"] else "share")
    sql = statement(guard, arms + pending.arms(), has_progress=pending.progress is not None)
    row = fenced(sql, params | pending.params() | counts, confirm_sql=CONFIRM_STEP)
    pending.clear()
    return str(row[1])


def _recorded(lease: Lease, row: Row) -> Recorded:
    (
        seq,
        ordinal,
        name,
        status,
        attempts,
        is_due,
        request_hash,
        codec,
        request,
        body_codec,
        body,
        riders,
        mac,
    ) = row[:13]
    is_settled = status != "running"
    if is_settled and not same(
        outcome_mac(lease.team_id, lease.run_id, seq, request_hash, body_codec, body), mac
    ):
        raise IntegrityError(lease.run_id, seq, "the outcome")
    value: JsonValue = decode(body_codec, body) if is_settled else None
    error: JsonObject | None = value if status == "failed" and isinstance(value, dict) else None
    return Recorded(
        seq=seq, ordinal=ordinal, name=name, request_hash=request_hash, status=status if is_settled else "open",
        attempts=attempts, output=None if error else value, error=error, is_due=is_due,
        riders=json.loads(riders) if riders else [], request_text=_text(decode(codec, request)),
    )  # fmt: skip


def _text(request: JsonObject) -> str:
    args = request["args"]
    assert isinstance(args, dict)
    shown = ", ".join(f"{key}={str(value)[:60]!r}" for key, value in args.items())
    return f"{request['name']}({shown})"
