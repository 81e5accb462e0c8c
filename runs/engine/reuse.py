"""What becomes of an action on a branch that does not begin at the beginning: done, served, simulated, or asked about.

A fork and a rewound run come by places where the world has been before. How they treat it is their effect mode.
Source: PROTOCOL 14, 15; ADR 0014.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.tools import ToolSpec

SUCCEEDED, FAILED, UNKNOWN, EDITED, MADE = "succeeded", "failed", "unknown", "edited", "made"


class Mode(StrEnum):
    """How a branch treats what was done before: a fork is given one of the first three, a rewind inherits."""

    LIVE = "live"
    RECORDED = "recorded"
    DRY = "dry"
    INHERIT = "inherit"


FORK_MODES = (Mode.LIVE, Mode.RECORDED, Mode.DRY)


class Mark(StrEnum):
    """What the row of a step says that was not simply done."""

    KEPT = "kept"
    RECORDED = "recorded"
    INHERITED = "inherited"
    EDITED = "edited"
    SIMULATED = "simulated"
    CACHED = "cached"
    SKIPPED = "skipped"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True)
class Reusable:
    """An outcome that the branch was given; see runs.models.Reuse. `taken_seq`: the step that it was given to."""

    n: int
    tool: str
    request_hash: bytes
    status: str
    idempotency_key: str = ""
    taken_seq: int | None = None


class Act(StrEnum):
    """What is done about an action that is not in the journal."""

    PERFORM = "perform"
    SERVE = "serve"
    SIMULATE = "simulate"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an action, and the reusable outcome `n` that it takes, if any.

    A call is made under `idempotency_key` when there is one. `text` is the question that a person is asked.
    """

    act: Act = Act.PERFORM
    n: int | None = None
    mark: str = ""
    idempotency_key: str = ""
    text: str = ""


PERFORM = Verdict()


class Reuses:
    """The reusable outcomes of a branch, and which of them are left.

    The n-th row of a tool and request answers the n-th such request. An action that is begun again keeps the row that
    it took; one that waits for a person's word goes on waiting.
    """

    def __init__(self, mode: Mode, rows: Iterable[Reusable], *, asked: Iterable[int] = ()) -> None:
        self.mode = mode
        self._asked = set(asked)
        self._taken: dict[int, Reusable] = {}
        self._left: dict[tuple[str, bytes], deque[Reusable]] = defaultdict(deque)
        self._of_tool: dict[str, dict[int, str]] = defaultdict(dict)
        for row in rows:
            self._place(row)

    def _place(self, row: Reusable) -> None:
        if row.taken_seq is not None:
            self._taken[row.taken_seq] = row
            return
        self._left[row.tool, row.request_hash].append(row)
        self._of_tool[row.tool][row.n] = row.status

    def decide(self, seq: int, spec: ToolSpec, request_hash: bytes, *, is_begun: bool) -> Verdict:
        """Return what becomes of the action; the row that answers it is taken by it."""
        if is_begun:
            return self._begun(seq, spec)
        row = self._next(spec.name, request_hash)
        if row is not None:
            self._taken[seq] = row
        if row is not None and row.status == EDITED:
            return Verdict(Act.SERVE, row.n, Mark.EDITED)
        if row is None and self.mode is Mode.INHERIT and spec.effect.is_write and self._is_other_left(spec):
            return Verdict(Act.ASK, text=_OTHER.format(tool=spec.name))
        return _BY_MODE[self.mode](spec, row)

    def _begun(self, seq: int, spec: ToolSpec) -> Verdict:
        key = _key(spec, self._taken.get(seq))
        if seq in self._asked:
            return Verdict(Act.ASK, text=_ALLOW.format(tool=spec.name), idempotency_key=key)
        return Verdict(idempotency_key=key)

    def _next(self, tool: str, request_hash: bytes) -> Reusable | None:
        left = self._left.get((tool, request_hash))
        if not left:
            return None
        row = left.popleft()
        del self._of_tool[tool][row.n]
        return row

    def _is_other_left(self, spec: ToolSpec) -> bool:
        """Whether a write of the tool that may have happened was not asked for again."""
        may_have_happened = {SUCCEEDED, UNKNOWN} | ({FAILED} if spec.idempotent else set())
        return not may_have_happened.isdisjoint(self._of_tool[spec.name].values())


def _live(spec: ToolSpec, row: Reusable | None) -> Verdict:
    return Verdict(n=row.n if row else None)


def _recorded(spec: ToolSpec, row: Reusable | None) -> Verdict:
    """Serve what was recorded; a write that was not is asked about."""
    n = row.n if row else None
    if row is not None and row.status == SUCCEEDED:
        return Verdict(Act.SERVE, n, Mark.RECORDED)
    if not spec.effect.is_write:
        return Verdict(n=n)
    return Verdict(Act.ASK, n, idempotency_key=_key(spec, row), text=_NEW.format(tool=spec.name))


def _dry(spec: ToolSpec, row: Reusable | None) -> Verdict:
    n = row.n if row else None
    if not spec.effect.is_write:
        return Verdict(n=n)
    is_recorded = row is not None and row.status == SUCCEEDED
    return Verdict(Act.SERVE if is_recorded else Act.SIMULATE, n, Mark.SIMULATED)


def _inherit(spec: ToolSpec, row: Reusable | None) -> Verdict:
    """Never do twice what was done."""
    if row is None:
        return PERFORM
    if row.status == SUCCEEDED:
        return Verdict(Act.SERVE, row.n, Mark.INHERITED)
    if row.status == UNKNOWN and not spec.idempotent:
        return Verdict(Act.ASK, row.n, text=_IN_DOUBT.format(tool=spec.name))
    return Verdict(n=row.n, idempotency_key=_key(spec, row))


_BY_MODE = {Mode.LIVE: _live, Mode.RECORDED: _recorded, Mode.DRY: _dry, Mode.INHERIT: _inherit}
_ALLOW = "may {tool} be called?"
_NEW = "may {tool} be called? It writes, and this very call was not recorded"
_OTHER = "may {tool} be called? It was called with other arguments before the run went back"
_IN_DOUBT = "may {tool} be called? Nobody knows whether it happened before the run went back"


def _key(spec: ToolSpec, row: Reusable | None) -> str:
    """Return the key of the earlier call: what may have happened under it must not happen under another."""
    return row.idempotency_key if row is not None and spec.idempotent and row.status != MADE else ""


def placeholder(tool: str, schema: JsonObject | None) -> JsonValue:
    """Return what a simulated call returns: the least that has the shape of the schema, marked as made up."""
    made = _example(schema or {})
    closed = (schema or {}).get("additionalProperties") is False
    if schema is None or made is None:
        return {"simulated": True, "tool": tool}
    return {**made, "simulated": True} if isinstance(made, dict) and not closed else made


def _example(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return None
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    for name in ("enum", "examples"):
        if schema.get(name):
            return schema[name][0]
    choices = schema.get("anyOf") or schema.get("oneOf")
    return _example(choices[0]) if choices else _of_type(schema)


def _of_type(schema: JsonObject) -> Any:
    types = schema.get("type")
    kind = types[0] if isinstance(types, list) and types else types
    if kind == "object" or (kind is None and "properties" in schema):
        properties: Any = schema.get("properties") or {}
        required: Any = schema.get("required") or []
        return {name: _example(properties.get(name)) for name in required}
    if kind == "array":
        least: Any = schema.get("minItems") or 0
        return [_example(schema.get("items"))] * least
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"string": "", "boolean": False}.get(str(kind))
