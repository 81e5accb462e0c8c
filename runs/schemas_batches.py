"""Shapes of the API's calls about batches and children."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.states import RunStatus
from runs.schemas import PageIn, RunRowOut, TokensOut


class StartBatchIn(BaseModel):
    """Many runs of one agent to start under one batch id."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="Slug of the agent.")
    inputs: list[Any] = Field(
        description="One a run; each must fit the JSON Schema of the agent's version.",
        json_schema_extra={"minItems": 1, "maxItems": 1000},
    )
    batch_id: str = Field(
        description="What the runs belong to.", json_schema_extra={"minLength": 1, "maxLength": 100}
    )
    first_index: Annotated[int, Field(strict=True)] = Field(
        0,
        description="Index of the first input in its batch. An index starts one run, however often it is sent; to add "
        "to a batch, send the `next_index` of the answer before.",
        json_schema_extra={"minimum": 0},
    )
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version; the newest published one when left out."
    )
    priority: Annotated[int, Field(strict=True)] = Field(
        0, description="Higher ones are claimed first.", json_schema_extra={"minimum": -100, "maximum": 100}
    )
    tags: list[str] = Field([], description="Words to find them by.", json_schema_extra={"maxItems": 20})
    title: str | None = Field(
        None, description="What people call them.", json_schema_extra={"maxLength": 300}
    )
    queue: str | None = Field(
        None,
        description="Whose workers execute them; the agent's when left out.",
        json_schema_extra={"minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    )
    concurrency_key: str | None = Field(
        None,
        description="What only so many runs are executed for at once, where a limit counts it; as the agent's code makes it of "
        "the input when left out.",
        json_schema_extra={"maxLength": 100},
    )


class BatchRunOut(BaseModel):
    index: int
    id: UUID


class StartedBatchOut(BaseModel):
    """The runs of the inputs, in order."""

    batch_id: str
    url: str = Field(description="Its page in the console.")
    runs: list[BatchRunOut]
    new: int = Field(description="How many of them this call has started.")
    next_index: int = Field(description="The `first_index` with which to add to the batch.")
    warnings: list[str]


class CountsOut(BaseModel):
    """How many runs are in each status, and how far they are together."""

    counts: dict[RunStatus, int] = Field(description="Statuses without a run are left out.")
    total: int
    ended: int
    failed: int = Field(description="Ended without success.")


class BatchRowOut(CountsOut):
    batch_id: str
    url: str
    created_by: str
    created_at: datetime


class BatchOut(BatchRowOut):
    """A batch; `failures` are the newest runs that failed or expired."""

    cost_microusd: int
    tokens: TokensOut
    steps: int
    first_at: datetime | None = Field(description="When the first of its runs was created.")
    last_at: datetime | None = Field(description="When the last of them was.")
    ended_at: datetime | None = Field(description="When the last of them ended; null while one is open.")
    failures: list[RunRowOut]


class BatchPageOut(BaseModel):
    items: list[BatchRowOut]
    next_cursor: str | None


class ChildListIn(PageIn):
    status: list[RunStatus] = Field([], description="Any of these; may be repeated.")
    seq: int | None = Field(None, ge=0, lt=1 << 63, description="Only those that this step started.")


class ChildPageOut(CountsOut):
    """A page of the children of a run in the order of their start; the counts are of all its children."""

    cost_microusd: int
    items: list[RunRowOut]
    next_cursor: str | None
