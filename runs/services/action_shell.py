"""The shell around a node: does the actions that the engine asks for, and records them."""

import logging
import random
import time
import traceback
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from agentops.common.canonical import Cleaner, NotJsonError
from agentops.common.conf import conf
from agentops.common.errors import TooLargeError
from agentops.common.types import JsonObject
from runs.checkpoints.codec import encode_capped
from runs.engine.control import Cancelled, SliceOver, Suspend
from runs.engine.errors import ToolError
from runs.engine.journal import Execute, Recorded, idempotency_key
from runs.engine.tools import ToolCall, ToolSpec
from runs.journal import actions, nodes
from runs.journal.actions import Place
from runs.journal.fence import Lease
from runs.journal.pending import Pending, now_seconds
from runs.tools.registry import get_tool

IN_PROCESS_WAIT_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SliceClock:
    """How long this slice may go on, and what the database's clock says."""

    database_epoch_seconds: float
    began: float = field(default_factory=now_seconds)
    is_stopping: Any = None
    n_done: int = 0

    def now(self) -> datetime:
        """Return the database's time: its reading at the claim plus what has passed here since."""
        return datetime.fromtimestamp(self.database_epoch_seconds + now_seconds() - self.began, UTC)

    def is_over(self) -> bool:
        """Return whether the slice should end; every slice does at least one thing, so that none starves."""
        if not self.n_done:
            return False
        limits = conf()
        stopping = self.is_stopping is not None and self.is_stopping.is_set()
        return (
            stopping or self.n_done >= limits.slice_steps or now_seconds() - self.began > limits.slice_seconds
        )


class ActionShell:
    """The engine's Shell (runs.engine.context.Shell) for one execution of one node."""

    def __init__(self, lease: Lease, place: Place, pending: Pending, clock: SliceClock) -> None:
        self.lease, self.place, self.pending, self.clock = lease, place, pending, clock
        self.first_failed: int | None = None

    def perform(self, action: Execute) -> Recorded:
        """Do the action, record its outcome, and return it; see runs.engine.context.Shell."""
        if self.clock.is_over():
            nodes.release(self.lease)
            raise SliceOver
        outcome, control = self._wait(action) if action.request.kind == "wait" else self._call(action)
        self.clock.n_done += 1
        if outcome.error is not None and self.first_failed is None:
            self.first_failed = action.ordinal
        if control == "cancel":
            nodes.end_cancelled(self.lease)
            raise Cancelled
        return outcome

    def now_iso(self) -> str:
        return self.clock.now().isoformat().replace("+00:00", "Z")

    def random(self) -> float:
        return random.random()  # noqa: S311 -- recorded, not secret

    def progress(self, done: int, total: int | None, note: str) -> None:
        self.pending.progress = (int(done), None if total is None else int(total), note)

    def log(self, level: str, message: str) -> None:
        self.pending.log(level, Cleaner().clean(str(message)))  # type: ignore[arg-type]  # text stays text

    def _wait(self, action: Execute) -> tuple[Recorded, str]:
        if action.is_begun and action.is_due:
            outcome = _outcome(action, attempts=1)
            return outcome, actions.settle(self.lease, self.place, action, outcome, None, self.pending)
        seconds = float(action.request.args["seconds"])  # type: ignore[arg-type]  # ctx.sleep checked it
        self._suspend(action, None, seconds, "sleeping as the agent asked", [])
        raise Suspend(seconds)

    def _call(self, action: Execute) -> tuple[Recorded, str]:
        spec = get_tool(action.request.name)
        key = idempotency_key(self.lease.team_id, self.lease.run_id, self.place.node_seq, action, spec)
        is_begun = action.is_begun
        if spec.effect.is_write:
            commit = actions.renew if is_begun else actions.begin
            commit(self.lease, self.place, action, spec, key, self.pending)
            is_begun = True
        began = now_seconds()
        outcome = self._attempts(action, spec, key, is_begun=is_begun)
        if is_begun:
            return outcome, actions.settle(self.lease, self.place, action, outcome, spec, self.pending)
        return outcome, actions.record(self.lease, self.place, action, outcome, spec, began, self.pending)

    def _attempts(self, action: Execute, spec: ToolSpec, key: str, *, is_begun: bool) -> Recorded:
        """Try until there is a final outcome; a longer wait is a durable sleep that frees the worker."""
        number = action.attempts
        while True:
            number += 1
            began = now_seconds()
            try:
                return _outcome(action, attempts=number, output=self._once(action, spec, key, number))
            except Exception as error:  # noqa: BLE001 -- the boundary: whatever a tool raises is recorded
                delay_seconds = self._delay(spec, number, error)
                self.pending.attempt(_attempt_row(action.seq, number, error, began, delay_seconds))
                if delay_seconds is None:
                    return _outcome(action, attempts=number, error=error_document(error))
            if delay_seconds > IN_PROCESS_WAIT_SECONDS:
                text = f"{spec.name}: attempt {number} of {spec.retry.max_attempts} failed"
                tried = replace(action, attempts=number, is_begun=is_begun)
                self._suspend(tried, spec, delay_seconds, text, ["retrying"])
                raise Suspend(delay_seconds)
            time.sleep(delay_seconds)

    def _once(self, action: Execute, spec: ToolSpec, key: str, number: int) -> Any:
        call = ToolCall(self.lease.team_id, self.lease.run_id, action.seq, number, key, spec.timeout_seconds)
        cleaner = Cleaner()
        output = cleaner.clean(spec.run(call, **action.request.args))
        encode_capped(output, max_bytes=conf().value_max_bytes, what=f"what {spec.name} returned")
        if cleaner.replaced:
            self.pending.log(
                "warning", f"{spec.name}: replaced {cleaner.replaced} characters that cannot be stored"
            )
        return output

    @staticmethod
    def _delay(spec: ToolSpec, number: int, error: Exception) -> float | None:
        if isinstance(error, NotJsonError | TooLargeError):
            return None
        if isinstance(error, ToolError) and not error.retryable:
            return None
        after = error.retry_after_seconds if isinstance(error, ToolError) else None
        return spec.retry.delay_seconds(number, random.random(), after)  # noqa: S311 -- jitter

    def _suspend(
        self, action: Execute, spec: ToolSpec | None, seconds: float, text: str, health: list[str]
    ) -> None:
        actions.suspend(
            self.lease,
            self.place,
            action,
            spec,
            seconds=seconds,
            text=text,
            health=health,
            pending=self.pending,
        )


def error_document(error: BaseException) -> JsonObject:
    """Return what is stored of an error: code, message, type, and the traceback's end."""
    code = getattr(error, "error_code", None) or getattr(error, "code", None) or type(error).__name__
    detail = "".join(traceback.format_exception(error, limit=-8))[-8000:]
    document = {
        "code": str(code),
        "message": str(error)[:4000],
        "type": type(error).__name__,
        "detail": detail,
    }
    return Cleaner().clean(document)  # type: ignore[return-value]  # an object stays one


def _outcome(
    action: Execute, *, attempts: int, output: Any = None, error: JsonObject | None = None
) -> Recorded:
    return Recorded(
        seq=action.seq, ordinal=action.ordinal, name=action.request.name, request_hash=action.request_hash,
        status="failed" if error else "succeeded", attempts=attempts, output=output, error=error,
    )  # fmt: skip


def _attempt_row(
    seq: int, number: int, error: Exception, began: float, retry_seconds: float | None
) -> dict[str, Any]:
    document = error_document(error)
    return {
        "seq": seq, "number": number, "error_code": str(document["code"])[:100], "message": document["message"],
        "detail": document["detail"], "retry_seconds": retry_seconds, "began": began, "ended": now_seconds(),
    }  # fmt: skip
