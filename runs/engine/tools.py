"""What the engine knows of a tool: its name, its effect, its limits; and one call of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from agentops.common.types import JsonObject, JsonValue
from runs.engine.retry import RetryPolicy


class Effect(StrEnum):
    """What a tool does to the world; it decides what is recorded before the call (PROTOCOL 8)."""

    READ = "read"
    COMPUTE = "compute"
    WRITE = "write"
    DESTRUCTIVE = "destructive"

    @property
    def is_write(self) -> bool:
        return self in (Effect.WRITE, Effect.DESTRUCTIVE)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a tool is told about the call: who asks, under which key, with how much time."""

    team_id: UUID
    run_id: UUID
    seq: int
    attempt: int
    idempotency_key: str
    timeout_seconds: float

    def again(self, attempt: int) -> "ToolCall":
        """Return the same call as its `attempt`-th try."""
        return replace(self, attempt=attempt)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A registered tool. `run(call, **args)` does the work and returns JSON.

    A write that is not idempotent is never called again blindly: when nobody knows whether it happened, a person
    is asked (PROTOCOL 8). `key_template`, when given, builds the idempotency key from what the action *is*
    (for example `"{recipient}:{invoice}"`) instead of where it stands in the run.
    """

    name: str
    effect: Effect
    run: Callable[..., JsonValue]
    version: str = "1"
    idempotent: bool = True
    timeout_seconds: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    key_template: str = ""
    args_schema: JsonObject = field(default_factory=dict)
    output_schema: JsonObject | None = None
    description: str = ""

    def summary(self, args: dict[str, Any]) -> str:
        """Return the call's most telling argument, short, for a row of the tree."""
        first = next((value for value in args.values() if isinstance(value, str | int | float)), "")
        return str(first)[:120]
