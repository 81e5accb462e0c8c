"""Shapes of the API's calls about limits and pauses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.limits import MAX_RUNNING, LimitScope
from runs.schemas import PageIn, PauseOut


class LimitIn(BaseModel):
    """How many runs may be executed at once."""

    model_config = ConfigDict(extra="forbid")

    max_running: Annotated[int, Field(strict=True)] = Field(
        description="How many of its runs are executed at once.",
        json_schema_extra={"minimum": 1, "maximum": MAX_RUNNING},
    )
    version: Annotated[int, Field(strict=True)] | None = Field(
        None,
        description="The `version` as you saw it, 0 for no limit; another one is 409. Or send If-Match, for 412.",
    )


class LimitListIn(PageIn):
    agent: str = Field("", description="Slug of an agent: only the limit of that one.")


class LimitOut(BaseModel):
    """A limit and what it does now."""

    scope: LimitScope
    name: str = Field(
        description="The agent's slug, the queue, or the key; of keys with a `*` at the end each is counted by itself."
    )
    url: str = Field(description="Its page in the console.")
    max_running: int
    running: int = Field(description="Runs that are executed under it now, of all its keys.")
    waiting: int = Field(description="Queued runs that it counts; not all of them wait because of it.")
    full: int = Field(description="How many of what it counts by itself have no place left: 0 or 1, or keys.")
    declared: bool = Field(description="The agent's code says so, and nobody has set it since.")
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


class LimitPageOut(BaseModel):
    items: list[LimitOut]
    next_cursor: str | None


class TeamOut(BaseModel):
    """The team whose token or session asks."""

    id: UUID
    slug: str
    name: str
    paused: PauseOut | None = Field(description="While it is paused, none of its runs is executed.")
