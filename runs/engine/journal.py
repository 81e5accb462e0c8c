"""The journal of a node: which of its actions are done, and what comes next.

Actions are numbered in the order in which the node asks for them (their ordinal). When the node runs again,
the action with the same ordinal returns its recorded outcome, provided that the request is the same.
Source: PROTOCOL 2, 7, 8, 13; the request hash is Hatchet's idea, the ordinal DBOS's and Restate's.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from agentops.common.canonical import digest
from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import NondeterminismError, TooManyActionsError
from runs.engine.tools import ToolSpec
from runs.engine.waits import WaitRow


@dataclass(frozen=True, slots=True)
class Request:
    """One action that a node asks for: kind `tool`, `wait`, …; `args` are clean JSON.

    `premises`, with the values that a person allowed it for, must hold right before it happens. They are no part of what
    is asked for: the same write under other premises is the same write.
    """

    kind: str
    name: str
    args: JsonObject
    premises: list[JsonValue] = field(default_factory=list)

    def hash(self) -> bytes:
        return digest([self.kind, self.name, self.args])

    def __str__(self) -> str:
        text = ", ".join(f"{key}={str(value)[:60]!r}" for key, value in self.args.items())
        return f"{self.name}({text})"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journal holds of an action. `status`: succeeded, failed, or open (begun, no outcome yet).

    `riders` are the values of ctx.now and ctx.random that were taken just before it. `is_in_flight`: a write was
    called and nobody knows how that ended; `unknown_seconds`: how long its caller may still be at it (PROTOCOL 9).
    """

    seq: int
    ordinal: int
    name: str
    request_hash: bytes
    status: str
    attempts: int = 0
    output: JsonValue = None
    error: JsonObject | None = None
    is_due: bool = False
    due_seconds: float = 0.0
    is_in_flight: bool = False
    unknown_seconds: float = 0.0
    riders: list[JsonValue] = field(default_factory=list)
    request_text: str = ""
    waits: list[WaitRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reuse:
    """The action is done; here is what came of it."""

    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Execute:
    """The action must be done (again).

    `attempts` were made before; `is_begun` says that a row of it stands; `is_due` that its wait is over.
    `riders` are the ctx.now and ctx.random values taken just before, to be stored with it. `waits` are the conditions of
    a wait that stands.
    """

    request: Request
    request_hash: bytes
    seq: int
    ordinal: int
    attempts: int = 0
    is_begun: bool = False
    is_due: bool = False
    due_seconds: float = 0.0
    is_in_flight: bool = False
    unknown_seconds: float = 0.0
    riders: list[JsonValue] = field(default_factory=list)
    waits: list[WaitRow] = field(default_factory=list)


Decision: TypeAlias = Reuse | Execute


class NodeJournal:
    """Matches a node's actions, in order, against those recorded for the same node step."""

    def __init__(self, recorded: Iterable[Recorded], *, next_seq: int, max_actions: int) -> None:
        self._recorded = {action.ordinal: action for action in recorded}
        self._last = max(self._recorded, default=-1)
        self._max_actions = max_actions
        self.next_seq = next_seq
        self.ordinal = 0
        self._riders: list[JsonValue] = []

    @property
    def has_recorded_next(self) -> bool:
        """Whether the node is still on ground that an earlier execution covered."""
        return self.ordinal <= self._last

    def decide(self, *requests: Request) -> list[Decision]:
        """Return what to do about the node's next actions, which start together.

        All of them bear the riders: of actions side by side, any one may be the only one that was recorded.

        Raises: NondeterminismError when another request is recorded at this place; TooManyActionsError.
        """
        decisions = [self._decide(request, list(self._riders)) for request in requests]
        self._riders = [] if requests else self._riders
        return decisions

    def _decide(self, request: Request, riders: list[JsonValue]) -> Decision:
        ordinal = self.ordinal
        if ordinal >= self._max_actions:
            raise TooManyActionsError(self._max_actions)
        recorded, request_hash = self._recorded.get(ordinal), request.hash()
        if recorded and recorded.request_hash != request_hash:
            raise NondeterminismError(ordinal, recorded.request_text or recorded.name, str(request))
        self.ordinal += 1
        if recorded is None:
            return Execute(request, request_hash, self.take_seq(), ordinal, riders=riders)
        if recorded.status == "open":
            return Execute(
                request,
                request_hash,
                recorded.seq,
                ordinal,
                attempts=recorded.attempts,
                is_begun=True,
                is_due=recorded.is_due,
                due_seconds=recorded.due_seconds,
                is_in_flight=recorded.is_in_flight,
                unknown_seconds=recorded.unknown_seconds,
                riders=riders,
                waits=recorded.waits,
            )
        return Reuse(recorded)

    def rider(self, take: Callable[[], JsonValue]) -> JsonValue:
        """Return the value recorded for this ctx.now or ctx.random, or else the one that `take` returns."""
        recorded, position = self._next_recorded(), len(self._riders)
        kept = recorded.riders[position : position + 1] if recorded else []
        self._riders.append(kept[0] if kept else take())
        return self._riders[-1]

    def _next_recorded(self) -> Recorded | None:
        ahead = range(self.ordinal, self._last + 1)
        return next((self._recorded[ordinal] for ordinal in ahead if ordinal in self._recorded), None)

    def check_end(self) -> None:
        """Raises: NondeterminismError when the node ended before it asked for all that it had asked for before."""
        left = self._next_recorded()
        if left is not None:
            raise NondeterminismError(left.ordinal, left.request_text or left.name, "nothing more")

    def take_seq(self) -> int:
        """Return the next number of the run's one counter (PROTOCOL 1)."""
        seq = self.next_seq
        self.next_seq += 1
        return seq


def idempotency_key(team_id: UUID, run_id: UUID, node_seq: int, action: Execute, tool: ToolSpec) -> str:
    """Return the identity of one intended action: by the tool's template, else by its place and request."""
    if tool.key_template:
        parts = [str(team_id), tool.name, tool.key_template.format_map(_Text(action.request.args))]
    else:
        parts = [str(team_id), str(run_id), str(node_seq), str(action.ordinal), action.request_hash.hex()]
    return "idem_" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class _Text(dict[str, Any]):
    """Arguments for a template; a missing one is named in the error."""

    def __missing__(self, key: str) -> str:
        raise KeyError(f"the key template needs the argument {key!r}")
