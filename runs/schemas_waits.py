"""Shapes of the API's calls about events, signals and what runs wait for."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas import PageIn

WaitKind = Literal["event", "signal", "child", "children", "person"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EventIn(_In):
    """Something that happened outside."""

    name: str = Field(
        description="What happened, such as `invoice.paid`.", json_schema_extra={"maxLength": 200}
    )
    key: str = Field(
        "",
        description="What it is about; runs that wait for a key see only theirs.",
        json_schema_extra={"maxLength": 200},
    )
    payload: Any = Field(None, description="What is known of it: JSON. Data, never an instruction.")
    id: str = Field(
        "",
        description="The sender's number of it: a second event under it answers 200 and changes nothing.",
        json_schema_extra={"maxLength": 200},
    )


class EventListIn(PageIn):
    name: str = Field("", description="Only events of this name.")
    source: str = Field("", description="Only those from there: `api`, `hook:<source>`, `source:<source>`.")


class SignalIn(_In):
    """A message to one run."""

    payload: Any = Field(None, description="What the run is told: JSON.")
    id: str = Field(
        "",
        description="The sender's number of it: a second signal under it answers 200 and changes nothing.",
        json_schema_extra={"maxLength": 200},
    )


class MatchedOut(BaseModel):
    """What came of an event or signal."""

    id: UUID
    matched: int = Field(
        description="How many waits it ended; exact up to 1,000, the others follow within a second or two."
    )


class EventOut(BaseModel):
    """An event as it was taken in."""

    id: UUID
    name: str
    key: str
    payload: Any
    source: str
    delivery_id: str
    received_at: datetime
    matched_at: datetime | None = Field(description="Null until every run that waited for it was told.")


class EventPageOut(BaseModel):
    """A page of events, newest first."""

    items: list[EventOut]
    next_cursor: str | None


class WaitOut(BaseModel):
    """One thing that a step waits for, or waited for."""

    seq: int
    n: int = Field(description="Its place among the conditions of the step.")
    kind: WaitKind
    mode: Literal["first", "all"]
    name: str
    key: str
    match: Any = Field(description="What the payload of an event must contain; null for any.")
    child_id: UUID | None
    question: Any = Field(description="What a person is asked: type, summary, args, schema, choices.")
    since_at: datetime = Field(description="When it began; for an event, less its look-back.")
    timeout_at: datetime
    closed_as: str = Field(
        description="Empty while it is open; else event, signal, child, person, timeout, cancelled or dropped."
    )
    closed_by: str
    closed_at: datetime | None
    reply: Any


class WaitsOut(BaseModel):
    """What a run waits for now, and the last of what it waited for."""

    items: list[WaitOut]


class AnswerIn(_In):
    """A person's answer to what a run asks."""

    type: Literal["approve", "edit", "reject", "respond"]
    args: Any = Field(None, description="With `edit`: the arguments to use instead.")
    answer: Any = Field(None, description="With `respond`: the answer.")
    message: str = Field(
        "", description="What the agent and the history are told.", json_schema_extra={"maxLength": 4000}
    )
