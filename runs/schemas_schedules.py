"""Shapes of the API's calls about schedules."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from runs.engine.schedules import FireStatus, Missed, Overlap
from runs.engine.states import RunStatus
from runs.schemas import PageIn
from runs.selectors.schedules import MAX_TIMES, SHOWN_TIMES


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TimetableIn(_In):
    cron: str = Field(
        description="Minute, hour, day of the month, month, day of the week; or a nickname such as @daily."
    )
    time_zone: str = Field("UTC", description="IANA name, such as Europe/Berlin.")


class ScheduleIn(TimetableIn):
    """A schedule to make."""

    agent: str = Field(description="Slug of the agent.")
    input: Any = Field(description="The input of each run; must fit the JSON Schema of the agent's version.")
    title: str = Field(
        "",
        description="What its runs are called; the agent's title when left out.",
        json_schema_extra={"maxLength": 200},
    )
    agent_version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version to stay with; null: the newest published one at each time."
    )
    fire_at_property: str = Field(
        "", description="Property of the input that gets the time (RFC 3339, in the schedule's zone).",
        json_schema_extra={"maxLength": 100},
    )  # fmt: skip
    priority: Annotated[int, Field(strict=True)] = Field(
        0, description="Higher ones are claimed first.", json_schema_extra={"minimum": -100, "maximum": 100}
    )
    tags: list[str] = Field([], description="Words to find its runs by.", json_schema_extra={"maxItems": 20})
    missed: Missed = Field(
        Missed.ONCE, description="Times that passed while no clock ran: skip, start once, or start for all."
    )
    overlap: Overlap = Field(
        Overlap.SKIP,
        description="A time that comes while a run of the schedule is open: allow, skip, queue, replace.",
    )
    paused: bool = Field(default=False, description="Nothing fires while it is.")


class SchedulePatchIn(_In):
    """What is to be changed; what is left out stays."""

    cron: str = ""
    time_zone: str = ""
    input: Any = None
    title: str = ""
    agent_version: Annotated[int, Field(strict=True)] | None = None
    fire_at_property: str = ""
    priority: Annotated[int, Field(strict=True)] = 0
    tags: list[str] = []
    missed: Missed = Missed.ONCE
    overlap: Overlap = Overlap.SKIP
    paused: bool = False
    version: Annotated[int, Field(strict=True)] | None = Field(
        None,
        description="The schedule's `version` as you saw it; another one is 409. Or send If-Match, for 412.",
    )


class PreviewIn(TimetableIn):
    n_times: Annotated[int, Field(strict=True)] = Field(SHOWN_TIMES, ge=1, le=MAX_TIMES)
    after: AwareDatetime | None = Field(None, description="Times behind this instant; by default behind now.")


class ScheduleListIn(PageIn):
    agent: str = Field("", description="Slug of an agent.")
    paused: bool | None = Field(None, description="Only paused, or only active ones.")


class TimeOut(BaseModel):
    at: datetime
    local: str = Field(description="The same instant in the schedule's zone.")


class PreviewOut(BaseModel):
    """The times of an expression in a zone."""

    description: str = Field(description="The expression in words.")
    times: list[TimeOut]


class FireOut(BaseModel):
    """What came of one time of a schedule."""

    id: UUID
    fire_at: datetime = Field(description="The time; of a `missed` row the last one that it stands for.")
    fired_by: str = Field(description="Who fired it by hand; empty for the clock.")
    status: FireStatus
    reason: str
    run: UUID | None
    run_status: RunStatus | None
    n_times: int = Field(description="How many times a `missed` row stands for, from `first_at` on.")
    first_at: datetime | None
    created_at: datetime
    settled_at: datetime | None


class LastFireOut(BaseModel):
    fire_at: datetime
    status: FireStatus
    reason: str


class ScheduleRowOut(BaseModel):
    """A schedule as it stands in lists."""

    id: UUID
    url: str = Field(description="Its page in the console.")
    agent: str
    agent_version: int | None
    title: str
    cron: str
    time_zone: str
    description: str = Field(description="The expression in words.")
    fire_at_property: str
    priority: int
    tags: list[str]
    missed: Missed
    overlap: Overlap
    paused: bool
    next_at: datetime | None = Field(description="Null while it is paused.")
    defined_by: str | None = Field(description="The agent whose definition says so; it is changed there.")
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


class ScheduleListedOut(ScheduleRowOut):
    last_fire: LastFireOut | None


class ScheduleOut(ScheduleRowOut):
    """Everything about a schedule but its history."""

    input: Any
    next_times: list[TimeOut] = Field(description=f"The next {SHOWN_TIMES}; none while it is paused.")


class SchedulePageOut(BaseModel):
    items: list[ScheduleListedOut]
    next_cursor: str | None


class FirePageOut(BaseModel):
    items: list[FireOut]
    next_cursor: str | None
