"""Premises: what must still be true when an approved action happens, as it was when a person was asked.

Pure: a tool looks at them (runs.tools.premises), the shell looks once more right before the action, and `changed` says
whether the permission still stands.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from agentops.common.canonical import digest
from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import ActionFailedError, CommandError, PremiseFailedError
from runs.engine.frozen import thaw
from runs.engine.waits import APPROVAL_SECONDS

LOOK = "premises.look"
FAILED, UNAVAILABLE = "premise_failed", "premise_unavailable"
MAX_PREMISES = 20
MAX_ASKS = 10
ASKS = 3
# How long it is waited, one after the other, for a premise that nobody can look at just now.
PAUSES_SECONDS = (10.0, 60.0, 300.0)

OnMismatch: TypeAlias = Literal["ask_again", "fail"]


@dataclass(frozen=True, slots=True)
class Premise:
    """One thing to look at; made by `http_etag`, `json_path_equals`, `file_sha256`, `sql_row_hash`, `budget_remaining` or `entry_point`."""

    kind: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "params": dict(self.params)}


def http_etag(url: str, *, name: str = "") -> Premise:
    """What stands at the address is the same: its `ETag` has not changed."""
    return Premise("http_etag", name or url, {"url": url})


def json_path_equals(url: str, pointer: str, *, name: str = "") -> Premise:
    """The value at an RFC 6901 pointer of the JSON at the address is the same."""
    return Premise("json_path_equals", name or f"{pointer} of {url}", {"url": url, "pointer": pointer})


def file_sha256(path: str, *, name: str = "") -> Premise:
    """The content of a file, as the worker sees it, is the same."""
    return Premise("file_sha256", name or path, {"path": path})


def sql_row_hash(
    database: str, table: str, key: Mapping[str, Any], *, columns: Sequence[str] = (), name: str = ""
) -> Premise:
    """A row of a PostgreSQL that `PREMISE_DATABASES` names is the same, or its `columns` are.

    `key` holds the columns and values that find the one row; a row that is gone has changed.
    Raises: CommandError without a key.
    """
    if not key:
        raise CommandError("sql_row_hash needs the columns that find the row, such as {'id': 7}")
    found = {"database": database, "table": table, "key": dict(key), "columns": list(columns)}
    return Premise("sql_row_hash", name or f"{table} {dict(key)}", found)


def budget_remaining(*, cost_microusd: int = 0, tokens: int = 0, name: str = "") -> Premise:
    """Of the run's budget at least so much is left, now as when a person was asked."""
    return Premise(
        "budget_remaining", name or "the budget", {"cost_microusd": cost_microusd, "tokens": tokens}
    )


def entry_point(function: str, /, *, name: str = "", **params: Any) -> Premise:
    """What the function registered by `@premise(function)` returns for `params` is the same."""
    return Premise("python", name or function, {"function": function, "params": params})


def changed(seen: Iterable[JsonValue], now: Sequence[JsonValue]) -> list[JsonValue]:
    """Return the premises with the value that the permission was given for and, as `found`, the one of now.

    Empty when all of them hold.
    """
    pairs = [(dict(_object(then)), _object(found)["value"]) for then, found in zip(seen, now, strict=True)]
    if all(digest(then["value"]) == digest(value) for then, value in pairs):
        return []
    return [{**then, "found": value} for then, value in pairs]


def told(premises: Iterable[Any]) -> str:
    """Return what has changed among `premises`, for people."""
    moved = [found for found in premises if "found" in found and found["found"] != found["value"]]
    return "; ".join(f"{it['name']} was {_short(it['value'])} and is {_short(it['found'])}" for it in moved)


class ApprovedTools:
    """The part of the context that does what a person allowed, if what they went by is still true."""

    tool: Callable[..., Any]
    sleep: Callable[[float], None]
    _guarded: Callable[[Callable[[], Any]], Any]
    _approved: Callable[[str, dict[str, Any], float], Any]
    _act: Callable[..., Any]

    def approved_tool(
        self,
        name: str,
        /,
        args: Mapping[str, Any] | None = None,
        *,
        premises: Sequence[Premise],
        summary: str = "",
        on_mismatch: OnMismatch = "ask_again",
        max_asks: int = ASKS,
        timeout_seconds: float = APPROVAL_SECONDS,
    ) -> Any:
        """Ask a person whether the tool may be called, then call it and return what it returns, if the premises hold.

        Each premise is looked at when the person is asked, who sees the values, and once more right before the call. When one
        of them has changed, the permission is void: the person is asked again and shown both values, at most `max_asks` times
        in all, or the call fails at once with `on_mismatch="fail"`. The person may edit the arguments. A premise that
        nobody can look at just now is looked at again later; the permission stands meanwhile.

        Raises: PremiseFailedError; RejectedError; WaitTimeoutError; ActionFailedError, with `premise_unavailable` when a
            premise cannot be looked at; CommandError.
        """
        self._guarded(lambda: _check(premises, on_mismatch, max_asks))
        seen: Any = self.tool(LOOK, premises=[premise.as_json() for premise in premises])
        for n_asks in range(1, max_asks + 1):
            question = {"type": "approve", "args": dict(args or {}), "summary": summary, "premises": seen}
            args = self._approved(name, question, timeout_seconds)
            try:
                return self._called(name, args, seen)
            except PremiseFailedError as error:
                if on_mismatch == "fail" or n_asks == max_asks:
                    raise
                seen = [_moved(found) for found in error.premises]
        raise AssertionError("the last time raises")

    def _called(self, name: str, args: Any, seen: Any) -> Any:
        """Call the tool while the premises hold as `seen`; where they cannot be looked at, wait a while."""
        stated = [{key: it[key] for key in ("kind", "name", "params", "value")} for it in seen]
        for pause_seconds in PAUSES_SECONDS:
            try:
                return self._act("tool", name, args, premises=stated)
            except ActionFailedError as error:
                if error.error_code != UNAVAILABLE:
                    raise
                self.sleep(pause_seconds)
        return self._act("tool", name, args, premises=stated)


def _moved(found: Any) -> JsonObject:
    """Return a premise as it stands now, with `before`, the value of the permission that is void."""
    it: JsonObject = thaw(found)
    now = it.pop("found")
    return {**it, "value": now, **({"before": it["value"]} if it["value"] != now else {})}


def _check(premises: Sequence[Premise], on_mismatch: str, max_asks: int) -> None:
    if not 1 <= len(premises) <= MAX_PREMISES or not all(isinstance(it, Premise) for it in premises):
        raise CommandError(f"premises takes 1 to {MAX_PREMISES} of http_etag(…), json_path_equals(…), …")
    if on_mismatch not in ("ask_again", "fail"):
        raise CommandError(f'on_mismatch is "ask_again" or "fail", not {on_mismatch!r}')
    if not 1 <= max_asks <= MAX_ASKS:
        raise CommandError(f"max_asks is 1 to {MAX_ASKS}, not {max_asks!r}")


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
