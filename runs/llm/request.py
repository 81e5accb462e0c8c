"""What is asked of a model and what it answers, in our own words: JSON on both sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agentops.common.types import JsonObject, JsonValue
from runs.engine.providers import ProviderKind


@dataclass(frozen=True, slots=True)
class ToolOffered:
    """A tool that the model may call."""

    name: str
    description: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request. `messages` are as runs.engine.chat describes them."""

    messages: Sequence[Mapping[str, Any]]
    instructions: str = ""
    tools: Sequence[ToolOffered] = ()
    output_schema: JsonObject | None = None
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; the cached ones are among `tokens_in`."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `calls` have `id`, `tool`, and `args`, or `raw` where these are no JSON object.

    `model` is the one that answered, by its own account.
    """

    text: str
    calls: list[JsonObject]
    reasoning: str
    output: JsonValue
    finish_reason: str
    model: str
    usage: Usage
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is, and with which key; `version` changes with either."""

    provider_id: UUID
    version: int
    kind: ProviderKind
    base_url: str
    timeout_seconds: float
    key: str = field(repr=False)
