"""Shapes of the API's calls about bulk jobs."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas import PageIn

Verb = Literal["pause", "resume", "cancel", "kill", "retry"]


class BulkIn(BaseModel):
    """One verb for many runs: those in `run_ids`, or all that `q` finds."""

    model_config = ConfigDict(extra="forbid")

    verb: Verb
    q: str | None = Field(
        None, description="A query as of the run list; an empty one is all runs of the team."
    )
    run_ids: list[UUID] | None = Field(
        None,
        description="A selection, instead of a query.",
        json_schema_extra={"minItems": 1, "maxItems": 1000},
    )
    reason: str = Field("", description="Stands at each run.")


class BulkPreviewOut(BaseModel):
    """What the verb would do now."""

    fit: int = Field(description="Runs in a status for the verb.")
    unfit: int = Field(description="Runs found that are not.")
    is_all: bool = Field(description="False when there are more runs than were counted.")


class BulkJobOut(BaseModel):
    id: UUID
    url: str = Field(description="Its page in the console.")
    verb: Verb
    q: str | None
    reason: str
    state: Literal["working", "done", "stopped", "failed"]
    problem: str = Field(description="Why it ended before its last run; empty otherwise.")
    expected: int | None = Field(
        description="Runs found when it began; null when there were too many to count."
    )
    done: int
    refused: int
    created_by: str
    created_at: datetime
    ended_at: datetime | None


class BulkResultOut(BaseModel):
    run: UUID
    problem: str = Field(description="Why the verb was refused; empty when it was done.")
    at: datetime


class BulkResultsIn(PageIn):
    refused: bool = Field(default=False, description="Only runs where the verb was refused.")


class BulkJobPageOut(BaseModel):
    items: list[BulkJobOut]
    next_cursor: str | None


class BulkResultPageOut(BaseModel):
    items: list[BulkResultOut]
    next_cursor: str | None
