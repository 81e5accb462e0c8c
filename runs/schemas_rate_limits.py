"""Shapes of the API's calls about rate limits of models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas_providers import Version

Rate = Annotated[
    Annotated[int, Field(strict=True, le=1_000_000_000_000)] | None,
    Field(description="1 or more; null for no limit of ours."),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RateLimitPatchIn(_In):
    """What is to be changed; what is left out stays."""

    requests_per_minute: Rate = None
    tokens_per_minute: Rate = None
    version: Version = None


class RateLimitIn(_In):
    """The limits of a model."""

    provider: str = Field(description="The provider's slug.")
    model: str = Field(description="The model's name at the provider.", min_length=1, max_length=200)
    requests_per_minute: Rate = None
    tokens_per_minute: Rate = None


class RateLimitOut(BaseModel):
    """The limits of a model, as an admin has set them and as its provider has told them."""

    provider: str
    model: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    learned_requests_per_minute: int | None = Field(description="What the provider's answers have told.")
    learned_tokens_per_minute: int | None
    blocked_seconds: float = Field(description="For how long nothing is asked now, because it said so.")
    version: int = Field(description="Of the provider, which changes with each of its models' limits.")


class RateLimitListOut(BaseModel):
    items: list[RateLimitOut]
    next_cursor: str | None


class RateLimitPreviewOut(BaseModel):
    """What was asked of the model in the last days, and what the limits would have allowed."""

    days: int
    agents: list[str] = Field(description="Who asked it; their runs would wait for their turn.")
    requests: int
    tokens: int
    busiest_day_requests: int
    busiest_day_tokens: int
    busiest_day_minutes: float | None = Field(
        description="How long that day's requests would take at least under these limits; null without one."
    )
