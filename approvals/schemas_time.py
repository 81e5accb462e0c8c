"""Shapes of the API's calls about policies of escalation and business calendars."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

NAME: dict[str, Any] = {"maxLength": 100}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EscalationIn(_In):
    """A policy of escalation, whole."""

    name: str = Field(json_schema_extra=NAME)
    data: dict[str, Any] = Field(
        description="`{first_response_seconds, decision_seconds, reminders: [per cent], levels: [{after_seconds, targets, repeats,"
        " every_seconds}], end_seconds, end: expire|cancel_run|page_admins}`, in seconds of time that counts."
    )
    calendar_id: UUID | None = None
    position: int = Field(100, ge=0, le=10_000)
    is_on: bool = True
    queues: list[str] = Field(default_factory=list, json_schema_extra={"maxItems": 20})
    agents: list[str] = Field(default_factory=list, json_schema_extra={"maxItems": 20})
    actions: list[str] = Field(default_factory=list, json_schema_extra={"maxItems": 20})


class EscalationPatchIn(_In):
    """What changes of a policy, and the `version` that you saw."""

    version: int = Field(ge=1)
    name: str | None = Field(None, json_schema_extra=NAME)
    data: dict[str, Any] | None = None
    calendar_id: UUID | None = None
    position: int | None = Field(None, ge=0, le=10_000)
    is_on: bool | None = None
    queues: list[str] | None = None
    agents: list[str] | None = None
    actions: list[str] | None = None


class EscalationOut(BaseModel):
    """A policy as it stands."""

    id: UUID
    name: str
    data: Any
    calendar_id: UUID | None
    position: int
    is_on: bool
    queues: list[str]
    agents: list[str]
    actions: list[str]
    version: int
    updated_by: str
    updated_at: datetime


class EscalationsOut(BaseModel):
    """The team's policies in the order in which they are tried."""

    items: list[EscalationOut]


class MarkOut(BaseModel):
    """Something that the policy makes happen: after so many seconds that count, at this instant."""

    kind: Literal["remind", "first_response", "decision", "level", "end"]
    n: int
    at_seconds: float
    due_at: datetime | None


class PreviewOut(BaseModel):
    """What would come when, for a request that were opened now."""

    opened_at: datetime
    marks: list[MarkOut]


class CalendarIn(_In):
    """A business calendar, whole."""

    name: str = Field(json_schema_extra=NAME)
    data: dict[str, Any] = Field(
        description='`{time_zone, week: [[["09:00", "17:00"]] × 7, Monday first], holidays: ["2026-12-25"]}`.'
    )


class CalendarPatchIn(_In):
    """What changes of a calendar, and the `version` that you saw."""

    version: int = Field(ge=1)
    name: str | None = Field(None, json_schema_extra=NAME)
    data: dict[str, Any] | None = None


class CalendarOut(BaseModel):
    """A calendar as it stands."""

    id: UUID
    name: str
    data: Any
    version: int
    updated_by: str
    updated_at: datetime


class CalendarsOut(BaseModel):
    """The team's calendars."""

    items: list[CalendarOut]


class OpeningsOut(BaseModel):
    """The next instants at which a working day of the calendar begins to count."""

    openings: list[datetime]
