"""Shapes of the API's calls about how long runs are kept."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.retention import MAX_DAYS
from runs.schemas import PageIn

Days = Annotated[int, Field(strict=True, json_schema_extra={"minimum": 1, "maximum": MAX_DAYS})]
Flag = Annotated[bool, Field(strict=True)]
End = Literal["", "succeeded", "failed", "cancelled", "expired"]


class RetentionIn(BaseModel):
    """A policy: whose runs, and after how many days what becomes of them. Null is never."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field("", description="Slug; empty for all agents.")
    status: End = Field("", description="How the runs ended; empty for every end.")
    archive_days: Days | None = Field(
        None, description="Kept whole until then, counted from the run's end; then archived."
    )
    delete_days: Days | None = Field(None, description="Gone then, with its archive.")
    prune_days: Days | None = Field(None, description="Steps older than that are cut off, of open runs too.")
    keeps_files: Flag = Field(
        default=False, description="What is deleted keeps its archive, from which it can be restored."
    )
    is_on: Flag = Field(default=True, description="While it is false, these runs are kept.")


class RetentionPatchIn(BaseModel):
    """What is to be changed of a policy; whose runs it is for stays."""

    model_config = ConfigDict(extra="forbid")

    archive_days: Days | None = None
    delete_days: Days | None = None
    prune_days: Days | None = None
    keeps_files: Flag = False
    is_on: Flag = True
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="The `version` as you saw it; another one is 409. Or send If-Match, for 412."
    )


class RetentionOut(BaseModel):
    id: UUID
    url: str = Field(description="Its page in the console.")
    agent: str | None
    status: str
    archive_days: int | None
    delete_days: int | None
    prune_days: int | None
    keeps_files: bool
    is_on: bool
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


class RetentionListOut(BaseModel):
    items: list[RetentionOut]


class DueOut(BaseModel):
    """What one policy would do now."""

    policy_id: UUID | None = Field(description="Null for the one of the request.")
    act: Literal["archive", "delete", "prune"]
    runs: int = Field(description="To prune: runs that would lose their oldest steps, 2,000 at most.")
    kept: int = Field(description="More runs are due and stay, because something needs them.")
    row_bytes: int = Field(description="What their rows take in the database; to prune, those that would go.")
    file_bytes: int = Field(description="What their archives take, where those are deleted.")
    unmeasured: int = Field(
        description="Runs whose rows are not measured: they are in no count of bytes. To prune, those beyond the first 200."
    )


class PreviewOut(BaseModel):
    items: list[DueOut]
    prune_counted: bool = Field(
        description="False when looking for what would be pruned took too long: it is not among the items."
    )


class WorkOut(BaseModel):
    """A night's work on what is due, or what an admin began by day."""

    id: UUID
    url: str
    night: date | None
    state: Literal["working", "done", "stopped", "failed"]
    problem: str
    expected_runs: int
    expected_bytes: int
    archived: int
    deleted: int
    pruned: int
    kept: int
    failed: int
    freed_bytes: int
    file_bytes: int
    created_by: str
    created_at: datetime
    ended_at: datetime | None


class WorkListIn(PageIn):
    pass


class WorkPageOut(BaseModel):
    items: list[WorkOut]
    next_cursor: str | None


class HoldIn(BaseModel):
    """Keep a run whatever a policy says."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["pin", "legal"] = "pin"
    reason: str = Field("", description="A legal hold must say why.")
    until_at: datetime | None = Field(None, description="With its zone; null: until it is lifted.")


class HoldOut(BaseModel):
    kind: str
    reason: str
    by: str
    at: datetime
    until_at: datetime | None


class HoldListOut(BaseModel):
    items: list[HoldOut]


class ArchiveOut(BaseModel):
    """The archive of a run."""

    run_id: UUID
    file_bytes: int
    sha256: str
    rows: int
    row_bytes: int = Field(description="What left the database.")
    by: str
    stored_at: datetime | None
    stripped_at: datetime | None = Field(
        description="When the last row had left; null while they are on their way."
    )


class AgentStorageOut(BaseModel):
    agent: str
    whole_runs: int
    archived_runs: int
    unmeasured_runs: int
    step_bytes: int
    outcome_bytes: int
    checkpoint_bytes: int
    other_bytes: int
    row_bytes: int
    file_bytes: int


class StorageOut(BaseModel):
    """What the team's runs take."""

    agents: list[AgentStorageOut]
    shared: int = Field(
        description="Large values and contents of files, which stand once whoever refers to them."
    )
    shared_bytes: int
