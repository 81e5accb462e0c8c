"""Looking at premises: the tool `premises.look`, and the kinds of premise it knows (runs.engine.premises)."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import orjson

from agentops.common.canonical import canonical_bytes, clean_json
from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import ToolError
from runs.engine.premises import LOOK, UNAVAILABLE
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall
from runs.engine.updates import resolve
from runs.tools.http import followed
from runs.tools.premise_databases import row_hash
from runs.tools.registry import tool

F = TypeVar("F", bound=Callable[..., Any])

MAX_VALUE_BYTES = 16 << 10
MAX_DOCUMENT_BYTES = 4 << 20
MAX_FILE_BYTES = 1 << 30
RETRY = RetryPolicy(max_attempts=4, first_seconds=0.5, max_seconds=60.0)

# Whether at least so much, in µUSD and tokens, is left of the budget of (team, run); None where none is kept.
Budget: TypeAlias = Callable[[UUID, UUID, int, int], bool | None]

_functions: dict[str, Callable[..., Any]] = {}
_budgets: list[Budget] = []


def premise(name: str) -> Callable[[F], F]:
    """Register a function `(**params) -> JSON` that `entry_point(name, …)` names; it reads, and changes nothing."""

    def register(function: F) -> F:
        _functions[name] = function
        return function

    return register


def keep_budgets(budget: Budget) -> Budget:
    """Let `budget` answer for premises of the kind `budget_remaining`; whoever keeps budgets says so when it starts."""
    _budgets[:] = [budget]
    return budget


@tool(LOOK, effect=Effect.READ, timeout_seconds=30.0, retry=RETRY)
def look(call: ToolCall, premises: list[dict[str, Any]]) -> JsonValue:
    """Return the premises, each with its `value` of now."""
    deadline = time.monotonic() + call.timeout_seconds
    looking = Looking(call, deadline)
    return [{**found, "value": _value(found, looking)} for found in premises]


def _value(found: dict[str, Any], looking: "Looking") -> JsonValue:
    """Return the value of one premise.

    Raises: ToolError `premise_unavailable`, to be tried again where the cause is.
    """
    try:
        value = clean_json(_LOOKS[found["kind"]](found["params"], looking))
        n_bytes = len(canonical_bytes(value))
    except ToolError as error:
        raise _unavailable(
            found, str(error), retryable=error.retryable, after=error.retry_after_seconds
        ) from error
    except Exception as error:
        raise _unavailable(found, f"{type(error).__name__}: {error}", retryable=True) from error
    if n_bytes > MAX_VALUE_BYTES:
        told = f"its value has {n_bytes:,} bytes, more than {MAX_VALUE_BYTES:,}; look at a part or a digest of it"
        raise _unavailable(found, told, retryable=False)
    return value


def _unavailable(
    found: dict[str, Any], why: str, *, retryable: bool, after: float | None = None
) -> ToolError:
    told = f"nobody can say whether {found['name']!r} still holds: {why}"
    return ToolError(told, code=UNAVAILABLE, retryable=retryable, retry_after_seconds=after)


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks, and until when, by time.monotonic()."""

    call: ToolCall
    deadline: float


def _http_etag(params: JsonObject, looking: Looking) -> JsonValue:
    response, _ = followed(str(params["url"]), looking.deadline, None)
    etag: str = response.headers.get("etag", "")
    if not etag:
        raise ToolError(f"{response.url} has no ETag", retryable=False)
    return etag


def _json_path_equals(params: JsonObject, looking: Looking) -> JsonValue:
    response, body = followed(str(params["url"]), looking.deadline, MAX_DOCUMENT_BYTES)
    try:
        value: JsonValue = resolve(orjson.loads(body), str(params["pointer"]))
    except ValueError as error:
        raise ToolError(f"{response.url} answers what is not JSON") from error
    except KeyError as error:
        raise ToolError(f"nothing stands at {params['pointer']} of {response.url}") from error
    return value


def _file_sha256(params: JsonObject, looking: Looking) -> JsonValue:
    path = Path(str(params["path"]))
    if not path.is_file():
        raise ToolError(f"there is no file {path}", retryable=False)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ToolError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes", retryable=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sql_row_hash(params: JsonObject, looking: Looking) -> JsonValue:
    given: dict[str, Any] = dict(params)
    return row_hash(given["database"], given["table"], given["key"], given["columns"], looking.deadline)


def _budget_remaining(params: JsonObject, looking: Looking) -> JsonValue:
    given: dict[str, Any] = dict(params)
    call = looking.call
    found = [
        budget(call.team_id, call.run_id, given["cost_microusd"], given["tokens"]) for budget in _budgets
    ]
    if not found or found[0] is None:
        raise ToolError("no budget is kept for this run", retryable=False)
    return found[0]


def _python(params: JsonObject, looking: Looking) -> JsonValue:
    name, given = str(params["function"]), params["params"]
    assert isinstance(given, dict)
    if name not in _functions:
        known = ", ".join(sorted(_functions)) or "none"
        raise ToolError(
            f"no function is registered by @premise({name!r}); there are: {known}", retryable=False
        )
    value: JsonValue = _functions[name](**given)
    return value


_LOOKS: dict[str, Callable[[JsonObject, Looking], JsonValue]] = {
    "http_etag": _http_etag,
    "json_path_equals": _json_path_equals,
    "file_sha256": _file_sha256,
    "sql_row_hash": _sql_row_hash,
    "budget_remaining": _budget_remaining,
    "python": _python,
}
