"""What makes an agent of a language model: its words, models, tools, limits, and when its work counts as done (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from agentops.common.types import JsonObject
from runs.engine.chat import Strategy
from runs.engine.errors import ProgramError


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortTerm:
    """When and how a talk is kept short: once it takes `at_share` of the context window, down to `keep_share` of it."""

    strategy: Strategy = Strategy.CLEAR_TOOL_RESULTS
    at_share: float = 0.5
    keep_share: float = 0.2
    keep_turns: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """A session ends at the first of these; None for no limit. The next begins from a hand-off, not from the talk."""

    active_seconds: float | None = 1800.0
    tool_calls: int | None = 30
    window_share: float | None = 0.7
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmDefinition:
    """A declarative agent.

    `models` are asked in order, each the next one's stand-in; empty text is the team's default. `approve` names tools that
    a person must allow each time. `agents` are those that it may start as child runs, `memory` the spaces whose items stand
    in the prompt. `acceptance` lists checks that a finished goal must pass (runs.engine.acceptance).
    """

    instructions: str = ""
    models: Sequence[str] = ("",)
    tools: Sequence[str] = ()
    approve: Sequence[str] = ()
    can_ask: bool = True
    agents: Sequence[str] = ()
    memory: Sequence[str] = ()
    output_schema: JsonObject | None = None
    acceptance: Sequence[JsonObject] = ()
    short_term: ShortTerm = field(default_factory=ShortTerm)
    session: SessionLimits = field(default_factory=SessionLimits)
    context_tokens: int = 128_000
    max_turns: int = 100
    max_malformed: int = 3
    max_rejections: int = 5
    max_tokens: int | None = None
    temperature: float | None = None

    def as_json(self) -> JsonObject:
        """Return the definition as it is stored with a version."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "LlmDefinition":
        """Return the definition that was stored.

        Raises: ProgramError naming what is unknown.
        """
        parts: dict[str, Any] = {"short_term": ShortTerm, "session": SessionLimits}
        made = {key: _built(parts[key], value) if key in parts else value for key, value in given.items()}
        found: LlmDefinition = _built(cls, made)
        return found


def _built(kind: Any, given: Any) -> Any:
    if is_dataclass(given):
        return given
    known = {item.name for item in fields(kind)}
    if not isinstance(given, Mapping) or set(given) - known:
        unknown = sorted(set(given) - known) if isinstance(given, Mapping) else [str(given)]
        raise ProgramError(f"a definition knows no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
    members = dict(given)
    if "strategy" in members:
        members["strategy"] = Strategy(members["strategy"])
    return kind(**members)
