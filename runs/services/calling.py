"""Calling one tool until there is a final outcome, or a wait that is too long to sit out here.

Touches neither the database nor the journal, so that calls made side by side may run in threads.
"""

import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agentops.common.canonical import Cleaner, NotJsonError
from agentops.common.conf import conf
from agentops.common.errors import InvalidInputError, TooLargeError
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.codec import encode_capped
from runs.engine.control import ControlSignal
from runs.engine.errors import NotYetError, ToolError
from runs.engine.tools import ToolCall, ToolSpec
from runs.journal.pending import now_seconds
from runs.json_schema import check

IN_PROCESS_WAIT_SECONDS = 1.0


@dataclass(slots=True)
class Tried:
    """What came of calling: an output, an error, a time to try again, or that nobody knows.

    `not_yet` says why it was not called the last time, where it may only be called later; with `stop` the run is paused
    before that, and waits for it.
    """

    attempts: int
    output: JsonValue = None
    error: JsonObject | None = None
    retry_seconds: float | None = None
    is_unknown: bool = False
    not_yet: str = ""
    stop: JsonObject | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)


def call_tool(
    spec: ToolSpec, args: JsonObject, call: ToolCall, *, attempts: int, confirm: Callable[[], None]
) -> Tried:
    """Call the tool as often as its policy says, waiting here for at most IN_PROCESS_WAIT_SECONDS at a time.

    `attempts` were made before. `confirm` is asked before each call; it raises when the lease is lost.
    """
    tried = Tried(attempts)
    delay_seconds: float | None
    while True:
        confirm()
        tried.attempts += 1
        began = now_seconds()
        try:
            tried.output = _once(spec, args, call, tried)
        except ControlSignal:
            raise
        except NotYetError as error:
            tried.attempts, tried.not_yet, delay_seconds = tried.attempts - 1, str(error), error.seconds
            tried.stop = error.stop
        except BaseException as error:  # noqa: BLE001 -- the boundary: whatever a tool raises, even SystemExit
            delay_seconds = _note_failure(tried, spec, error, call.seq, began)
            tried.not_yet = ""
        else:
            tried.error = None
            return tried
        if tried.is_unknown or delay_seconds is None:
            return tried
        if delay_seconds > IN_PROCESS_WAIT_SECONDS:
            tried.retry_seconds, tried.error = delay_seconds, None
            return tried
        time.sleep(delay_seconds)


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


def attempt_row(
    seq: int, number: int, document: JsonObject, began: float, retry_seconds: float | None
) -> dict[str, Any]:
    """Return the row of a failed attempt, for Pending.attempt."""
    return {
        "seq": seq, "number": number, "error_code": str(document["code"])[:100], "message": document["message"],
        "detail": document["detail"], "retry_seconds": retry_seconds, "began": began, "ended": now_seconds(),
    }  # fmt: skip


def _once(spec: ToolSpec, args: JsonObject, call: ToolCall, tried: Tried) -> JsonValue:
    cleaner = Cleaner()
    output = cleaner.clean(spec.run(call.again(tried.attempts), **args))
    encode_capped(output, max_bytes=conf().value_max_bytes, what=f"what {spec.name} returned")
    if spec.output_schema is not None and not spec.effect.is_write:
        _check_output(spec, spec.output_schema, output)
    if cleaner.replaced:
        tried.logs.append(f"{spec.name}: replaced {cleaner.replaced} characters that cannot be stored")
    return output


def _check_output(spec: ToolSpec, schema: JsonObject, output: JsonValue) -> None:
    """Refuse what does not fit; of a write it is too late for that."""
    try:
        check(output, schema, what=f"what {spec.name} returned")
    except InvalidInputError as error:
        raise ToolError(error.detail, code="invalid_output") from error


def _note_failure(tried: Tried, spec: ToolSpec, error: BaseException, seq: int, began: float) -> float | None:
    """Keep the failed attempt; return how long to wait before the next, or None when there is none."""
    tried.error = error_document(error)
    tried.is_unknown = _is_unknown(spec, error)
    delay_seconds = None if tried.is_unknown else _delay(spec, tried.attempts, error)
    tried.failed.append(attempt_row(seq, tried.attempts, tried.error, began, delay_seconds))
    return delay_seconds


def _is_unknown(spec: ToolSpec, error: BaseException) -> bool:
    """Return whether a write that must not be repeated may have happened all the same."""
    if not spec.effect.is_write or spec.idempotent:
        return False
    return not isinstance(error, ToolError) or error.is_outcome_unknown


def _delay(spec: ToolSpec, number: int, error: BaseException) -> float | None:
    if isinstance(error, NotJsonError | TooLargeError):
        return None
    if isinstance(error, ToolError) and not error.retryable:
        return None
    after = error.retry_after_seconds if isinstance(error, ToolError) else None
    return spec.retry.delay_seconds(number, random.random(), after)  # noqa: S311 -- jitter
