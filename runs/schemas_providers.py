"""Shapes of the API's calls about providers of language models."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.providers import ProviderKind

Version = Annotated[
    Annotated[int, Field(strict=True)] | None,
    Field(description="The `version` as you saw it; another one is 409. Or send If-Match, for 412."),
]
Key = Annotated[
    str,
    Field(
        description="What the provider knows you by. It is sealed, and never told again.",
        json_schema_extra={"maxLength": 4000},
    ),
]
Models = Annotated[
    list[dict[str, Any]],
    Field(
        description="`name`, and where known `context_tokens`, `rpm`, `tpm`, `in_microusd_per_mtok`, `out_microusd_per_mtok`. The first is what the bare name of the provider means."
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProviderIn(_In):
    """A provider to make."""

    slug: str = Field(
        description="Its name: 2 to 60 lower-case letters, digits and hyphens. Agents say `slug/model`."
    )
    kind: ProviderKind
    base_url: str = Field("", description="Where it is; left out, the kind's own address.")
    key: Key = ""
    models: Models = []
    timeout_seconds: float = Field(120.0, description="How long an answer may take, 1 to 600.")
    is_default: bool | None = Field(
        None, description="Asked where an agent names none; null: the first of a team is."
    )


class ProviderPatchIn(_In):
    """What is to be changed; what is left out stays."""

    base_url: str = ""
    key: Key = ""
    models: Models = []
    timeout_seconds: float = 120.0
    paused: bool = False
    default: bool = False
    version: Version = None


class ModelOut(BaseModel):
    """A model, and how it stands."""

    name: str
    context_tokens: int | None
    rpm: int | None = Field(description="Requests a minute: as told, else as learned from the provider.")
    tpm: int | None
    in_microusd_per_mtok: int | None
    out_microusd_per_mtok: int | None
    open_seconds: float = Field(description="It failed lately and is left alone for that long; 0 when not.")
    blocked_seconds: float = Field(description="It asked for that much patience; 0 when not.")
    last_error: str
    last_error_at: datetime | None
    last_answer_at: datetime | None


class ProviderOut(BaseModel):
    """A provider, without its key."""

    slug: str
    kind: ProviderKind
    url: str = Field(description="Its page in the console.")
    base_url: str
    has_key: bool
    models: list[ModelOut]
    timeout_seconds: float
    is_default: bool
    paused: bool
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime


class ProviderListOut(BaseModel):
    items: list[ProviderOut]
    next_cursor: str | None = Field(description="Always null: a team has few.")


class ProviderCheckOut(BaseModel):
    """What came of asking the provider for its models."""

    is_well: bool
    message: str
    elapsed_ms: int
    models: list[str]
    missing: list[str] = Field(description="Models that the team wrote down and the provider does not list.")
