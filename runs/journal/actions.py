"""Commits of actions: they lock the run row with the epoch and never move its head (PROTOCOL 2)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from agentops.common.conf import conf
from agentops.common.ids import new_token
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.blobs import load, shelved
from runs.checkpoints.chain import IntegrityError, outcome_mac, same
from runs.checkpoints.codec import encode, encode_capped
from runs.desk import the_desk
from runs.engine.budgets import Unit
from runs.engine.control import LeaseLost
from runs.engine.journal import Execute, Recorded
from runs.engine.llm import last_said
from runs.engine.reuse import PERFORM, Act, Verdict
from runs.engine.tools import ToolSpec
from runs.engine.waits import WaitRow
from runs.journal.children import children_text, fanout_params
from runs.journal.fence import Lease, Row, execute, fenced, persist, query
from runs.journal.pending import Pending, now_seconds
from runs.journal.purses import Bill, known_units
from runs.journal.statements import (
    CONFIRM_STEP,
    KEEP_EVIDENCE,
    LOAD_ACTIONS,
    statement,
    with_blobs,
)
from runs.journal.waits import is_wait, load_waits, wait_rows, waiting_text

CONFIRMED_FOR_SECONDS = 2.0
_NOTHING_SPENT = {"cost_microusd": 0, "tokens_in": 0, "tokens_out": 0}
_OPEN: dict[str, Any] = {"body": None, "body_codec": 0, "mac": b"", "key_id": 0}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an action stands: its node step, branch and the node's attempt."""

    node_seq: int
    branch: int
    node_attempt: int


@dataclass(slots=True)
class Entry:
    """An action on its way into the journal: its tool (None for a wait), its key, and when it began.

    `fired` are the conditions that ended a wait. `judged` says what becomes of the action, on a branch that has been here
    before or by the word of the desk, `served` its output where it is not done at all. `grant` is the permission
    that is used up as it begins, `args` are what people put in the place of its arguments.
    """

    action: Execute
    spec: ToolSpec | None = None
    idempotency_key: str = ""
    began: float = field(default_factory=now_seconds)
    confirmed: float = 0.0
    is_begun: bool = False
    fired: list[int] = field(default_factory=list)
    judged: Verdict = PERFORM
    served: JsonValue = None
    grant: UUID | None = None
    args: JsonObject | None = None
    token: UUID = field(default_factory=new_token)

    @property
    def is_write(self) -> bool:
        is_made = not (self.is_served or self.is_denied)
        return self.spec is not None and self.spec.effect.is_write and is_made

    @property
    def is_served(self) -> bool:
        return self.judged.act in (Act.SERVE, Act.SIMULATE)

    @property
    def is_asked(self) -> bool:
        return self.judged.act is Act.ASK

    @property
    def is_denied(self) -> bool:
        return self.judged.act is Act.DENY

    @property
    def is_wait(self) -> bool:
        return is_wait(self.action.request)


class ActionJournal:
    """Writes the actions of one execution of one node, each in one fenced statement.

    Every method raises LeaseLost when the lease is gone, opens no transaction, and takes what is pending along.
    Those that return text return the run's control word.
    """

    def __init__(self, lease: Lease, place: Place, pending: Pending) -> None:
        self.lease, self.place, self.pending = lease, place, pending

    def begin(self, entry: Entry) -> str:
        """Store the intent of a write before it is called, or that it is called once more (PROTOCOL 8).

        Its permission is used up in the same transaction.

        Raises: GrantGoneError when that is not to be had any more.
        """
        assert entry.spec
        params = self._params(entry) | {
            "tool_version": entry.spec.version, "idempotency_key": entry.idempotency_key,
            "timeout_seconds": entry.spec.timeout_seconds + CONFIRMED_FOR_SECONDS,
        }  # fmt: skip
        entry.confirmed = now_seconds()
        if entry.is_begun:
            return self._commit(("update_step", "renew_intent"), params, alongside=_using(entry))
        told = self._commit(("action_step", "outcome", "intent"), params | _OPEN, alongside=_using(entry))
        entry.is_begun = True
        return told

    def finish(self, entry: Entry, outcome: Recorded) -> str:
        """Store the final outcome of an action.

        When the lease is lost meanwhile, what a write brought about is kept as evidence (PROTOCOL 9).
        """
        spent = _NOTHING_SPENT if entry.is_served else _spent(entry.action, outcome)
        params = self._params(entry) | self._settled(entry.action, outcome) | spent
        priced, bill = self._priced(entry, outcome, params)
        if not entry.is_begun:
            return self._commit(("action_step", "outcome", *priced), params, bill=bill)
        try:
            return self._commit(
                ("update_step", "update_outcome", *priced)
                + ("settle_intent",) * entry.is_write
                + ("settle_waits",) * entry.is_wait,
                params | {"fired": entry.fired},
                bill=bill,
            )
        except LeaseLost:
            self._keep_evidence(entry, outcome)
            raise

    def _priced(
        self, entry: Entry, outcome: Recorded, params: dict[str, Any]
    ) -> tuple[tuple[str, ...], Bill | None]:
        """Return the arm that counts a model's answer in its day, with the bill for budgets; fills `params`."""
        answer: Any = outcome.output
        if entry.is_served or entry.action.request.kind != "llm" or not isinstance(answer, dict):
            return (), None
        is_unpriced = answer["usage"]["cost_microusd"] is None
        params |= {"model": str(answer["answered"])[:200], "n_unpriced": int(is_unpriced)}
        if not known_units(self.lease.team_id):
            return ("spend_day",), None
        tokens = params["tokens_in"] + params["tokens_out"]
        actual = {Unit.COST.value: params["cost_microusd"], Unit.TOKENS.value: tokens}
        return ("spend_day",), Bill(self.lease.run_id, entry.action.seq, actual)

    def defer(self, entry: Entry, attempts: int, seconds: float) -> str:
        """Store that the action goes on after `seconds`: the end of a wait, or its next attempt."""
        arms, params = self._deferred(entry, attempts, seconds)
        return self._commit(arms, params)

    def sleep(
        self, entry: Entry, attempts: int, seconds: float, *, waiting_on: JsonObject, health: list[str]
    ) -> str:
        """Defer the action and let the run sleep until then, in one statement."""
        arms, params = self._deferred(entry, attempts, seconds)
        return self._commit(
            arms, params | _leave(waiting_on, health) | {"wake_seconds": seconds}, guard="sleep"
        )

    def wait(
        self, entry: Entry, attempts: int, seconds: float, *, waiting_on: JsonObject, status: str
    ) -> str:
        """Register what the action waits for, and let the run wait for it until `seconds` are over, in one statement."""
        arms, params = self._deferred(entry, attempts, seconds)
        if not entry.is_begun:
            arms, params = (*arms, "waits"), params | {"wait_rows": wait_rows(entry.action.request)}
            if entry.action.request.kind == "child_run":
                arms, params = (*arms, "fanout"), params | fanout_params(entry.action.request)
        leave = {"leave_status": status, "wake_seconds": max(seconds, 0.0)}
        alongside = self._opening(entry) if entry.action.request.kind == "approval" else None
        return self._commit(arms, params | _leave(waiting_on, []) | leave, guard="leave", alongside=alongside)

    def time_out(self, entry: Entry) -> list[WaitRow]:
        """Close what is still open of a wait whose time is over; return how it stands now.

        What was delivered a moment before stays delivered: the timer and the event meet in one conditional UPDATE.
        """
        params = {"run_id": self.lease.run_id, "epoch": self.lease.epoch, "seq": entry.action.seq}
        if persist(lambda: self._timed_out(entry, params)) is None:
            raise LeaseLost
        return load_waits(self.lease)[entry.action.seq]

    def ask(self, entry: Entry, *, waiting_on: JsonObject | None = None) -> None:
        """Store that a person must allow a write, or tell whether it happened, and let the run wait for the answer.

        Without `waiting_on` the run does not wait yet: more is asked about the actions of this turn.
        """
        status, guard = "asked" if entry.is_asked else "unknown", "ask" if waiting_on else ""
        params = self._params(entry) | (_leave(waiting_on, []) if waiting_on else {}) | {"status": status}
        if entry.is_begun:
            self._commit(("update_step",), params, guard=guard, alongside=self._opening(entry))
            return
        assert entry.spec
        planned = {"tool_version": entry.spec.version, "idempotency_key": entry.idempotency_key}
        self._commit(
            ("action_step", "outcome", "planned_intent"), params | _OPEN | planned, guard=guard,
            alongside=self._opening(entry),
        )  # fmt: skip

    def _opening(self, entry: Entry) -> Callable[[], None]:
        return lambda: the_desk().opened(self.lease.run_id, entry.action.seq)

    def _timed_out(self, entry: Entry, params: dict[str, Any]) -> Row | None:
        with transaction():
            row = execute(statement("share", ("time_out_waits",)), params)
            if row is not None and entry.action.request.kind == "approval":
                the_desk().closed(self.lease.run_id, entry.action.seq)
            return row

    def confirm(self, entry: Entry) -> None:
        """Return when the lease still holds; asked before each call of a write (PROTOCOL 9).

        The call's deadline is renewed with it: until then nobody else asks whether the write happened.
        """
        if now_seconds() - entry.confirmed <= CONFIRMED_FOR_SECONDS:
            return
        assert entry.spec
        params = {
            "run_id": self.lease.run_id, "epoch": self.lease.epoch, "seq": entry.action.seq,
            "timeout_seconds": entry.spec.timeout_seconds + CONFIRMED_FOR_SECONDS,
        }  # fmt: skip
        confirmed = now_seconds()
        if persist(lambda: execute(statement("share", ("renew_deadline",)), params)) is None:
            raise LeaseLost
        entry.confirmed = confirmed

    def _deferred(
        self, entry: Entry, attempts: int, seconds: float
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        params = self._params(entry) | _OPEN | {"attempts": attempts, "due_seconds": seconds}
        if not entry.is_begun:
            return ("action_step", "outcome"), params
        return ("update_step",) + ("rest_intent",) * entry.is_write, params

    def _params(self, entry: Entry) -> dict[str, Any]:
        lease, place, action, spec = self.lease, self.place, entry.action, entry.spec
        request: JsonObject = {
            "kind": action.request.kind,
            "name": action.request.name,
            "args": action.request.args,
            **({"premises": action.request.premises} if action.request.premises else {}),
        }
        what = f"the request to {action.request.name}"
        encoded = shelved(lease.team_id, encode_capped(request, max_bytes=conf().value_max_bytes, what=what))
        return {
            "values": [encoded],
            "run_id": lease.run_id, "epoch": lease.epoch, "worker_id": lease.worker_id, "token": entry.token,
            "seq": action.seq, "node_seq": place.node_seq, "branch": place.branch, "node_attempt": place.node_attempt,
            "ordinal": action.ordinal, "kind": action.request.kind, "name": action.request.name[:200],
            "effect": spec.effect.value if spec else "", "summary": _summary(action, spec), "status": "running",
            "attempts": action.attempts, "error_code": "", "elapsed_seconds": now_seconds() - entry.began,
            "due_seconds": None, "request_hash": action.request_hash, "request": encoded.body,
            "request_codec": encoded.codec, "riders": json.dumps(action.riders) if action.riders else None,
            "reuse": str(entry.judged.mark), "reuse_n": entry.judged.n, **_NOTHING_SPENT,
        }  # fmt: skip

    def _settled(self, action: Execute, outcome: Recorded) -> dict[str, Any]:
        team_id, run_id = self.lease.team_id, self.lease.run_id
        encoded = shelved(team_id, encode(outcome.error if outcome.error is not None else outcome.output))
        return {
            "status": outcome.status, "attempts": outcome.attempts, "body": encoded.body, "body_codec": encoded.codec,
            "error_code": str(outcome.error["code"])[:100] if outcome.error else "",
            "mac": outcome_mac(
                team_id, run_id, action.seq, action.request_hash, encoded.codec, encoded.body,
                status=outcome.status, riders=action.riders,
            ),
            "key_id": conf().integrity_key_id, "outcome": encoded,
        }  # fmt: skip

    def _commit(
        self,
        arms: tuple[str, ...],
        params: dict[str, Any],
        guard: str = "",
        alongside: Callable[[], None] | None = None,
        bill: Bill | None = None,
    ) -> str:
        pending = self.pending
        values = params.pop("values") if "outcome" in arms else params.pop("values")[:0]
        outcome = params.pop("outcome", None)
        arms = with_blobs(arms, params, [*values, outcome] if outcome else values)
        arms += ("take_reuse",) * ("action_step" in arms and params["reuse_n"] is not None)
        counts = {"n_steps": 0, "n_failed": int(params["status"] == "failed")}
        has_spent = any(params[name] for name in _NOTHING_SPENT)
        is_counted = pending.progress or pending.n_retries or counts["n_failed"] or has_spent
        guard = guard or ("count" if is_counted else "share")
        sql = statement(
            guard, arms + pending.arms(), has_progress=pending.progress is not None, has_spent=has_spent
        )
        params["token"] = (
            new_token() if "intent" not in arms and "renew_intent" not in arms else params["token"]
        )
        row = fenced(
            sql, params | pending.params() | counts, confirm_sql=CONFIRM_STEP,
            before=bill.lock if bill else None, alongside=bill.pay if bill else alongside,
        )  # fmt: skip
        pending.clear()
        return str(row[1])

    def _keep_evidence(self, entry: Entry, outcome: Recorded) -> None:
        evidence = {"status": outcome.status, "output": outcome.output, "error": outcome.error}
        params = {"run_id": self.lease.run_id, "seq": entry.action.seq, "token": entry.token}
        persist(lambda: execute(KEEP_EVIDENCE, params | {"evidence": json.dumps(evidence)}))


def load_actions(lease: Lease, node_seq: int) -> tuple[list[Recorded], int]:
    """Return the recorded actions of the node step and the next free number of the run's counter.

    Raises: IntegrityError when an outcome is not what was written.
    """
    rows = persist(lambda: query(LOAD_ACTIONS, {"run_id": lease.run_id, "node_seq": node_seq}))
    own = [_recorded(lease, row) for row in rows if row[16] == node_seq and not row[15]]
    if any(action.status == "open" for action in own):
        waits = load_waits(lease)
        own = [replace(action, waits=waits.get(action.seq, [])) for action in own]
    return own, max((row[0] for row in rows), default=node_seq) + 1


def _using(entry: Entry) -> Callable[[], None] | None:
    grant, seq = entry.grant, entry.action.seq
    return None if grant is None else lambda: the_desk().use(grant, seq)


def _spent(action: Execute, outcome: Recorded) -> dict[str, int]:
    """Return what a request to a model has cost; nothing where its outcome is taken from before."""
    if action.request.kind != "llm" or not isinstance(outcome.output, dict):
        return _NOTHING_SPENT
    usage: Any = outcome.output["usage"]
    return {name: int(usage[name] or 0) for name in _NOTHING_SPENT}


def _leave(waiting_on: JsonObject, health: list[str]) -> dict[str, Any]:
    return {"waiting_on": json.dumps(waiting_on), "health": health}


def _summary(action: Execute, spec: ToolSpec | None) -> str:
    if action.request.kind == "llm":
        return last_said(action.request.args)
    if spec:
        return spec.summary(action.request.args)
    if action.request.kind == "child_run":
        return children_text(action.request)
    if is_wait(action.request):
        return waiting_text(action.request)
    return ", ".join(f"{key} {value}" for key, value in action.request.args.items())[:300]


def _recorded(lease: Lease, row: Row) -> Recorded:
    seq, ordinal, name, status, attempts, due, request_hash, codec, request, body_codec, body, riders, mac = (
        row[:13]
    )
    is_settled, taken = status not in ("running", "unknown", "asked"), json.loads(riders) if riders else []
    place = (lease.team_id, lease.run_id, seq, request_hash)
    if is_settled and not same(outcome_mac(*place, body_codec, body, status=status, riders=taken), mac):
        raise IntegrityError(lease.run_id, seq, "the outcome")
    value: JsonValue = load(body_codec, body) if is_settled else None
    error: JsonObject | None = value if status == "failed" and isinstance(value, dict) else None
    return Recorded(
        seq=seq, ordinal=ordinal, name=name, request_hash=request_hash, status=status if is_settled else "open",
        attempts=attempts, output=None if error else value, error=error, is_due=due <= 0, due_seconds=due,
        is_in_flight=row[13], unknown_seconds=row[14], riders=taken,
        request_text=_text(load(codec, request)),
    )  # fmt: skip


def _text(request: JsonObject) -> str:
    args = request["args"]
    assert isinstance(args, dict)
    shown = ", ".join(f"{key}={str(value)[:60]!r}" for key, value in args.items())
    return f"{request['name']}({shown})"
