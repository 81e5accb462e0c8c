"""Shapes of the API's calls about stuck runs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas import PageIn

State = Literal["open", "resolved", "ignored"]
Verb = Literal["pause", "resume", "cancel", "kill", "retry"]


class StuckListIn(PageIn):
    view: Literal["open", "past", "resolved", "ignored", "any"] = Field(
        "open", description="`open`: with runs that are held up; `past`: without."
    )
    q: str = Field("", max_length=2048, description="What stands in the brackets of `stuck(…)`.")


class StuckKindOut(BaseModel):
    """What episodes have in common."""

    fingerprint: str
    url: str = Field(description="Its page in the console.")
    reason: str
    node: str
    error: str = Field(description="Without what differs from case to case.")
    state: State
    state_by: str
    note: str = Field(description="What helps, in the words of whoever found out.")
    open: int = Field(description="Episodes that go on.")
    episodes: int
    first_at: datetime
    last_at: datetime


class StuckKindPageOut(BaseModel):
    items: list[StuckKindOut]
    next_cursor: str | None


class EpisodeOut(BaseModel):
    id: UUID
    run: UUID
    title: str
    agent: str
    reason: str
    node: str
    text: str = Field(description="What was seen.")
    from_at: datetime
    to_at: datetime | None = Field(description="Null while it goes on.")
    from_seq: int = Field(description="The first step that counts; 0 where none does.")
    remedies: list[dict[str, Any]] = Field(
        description="What the watch did: `do`, `at`, and `note` where it was refused."
    )
    resolution: str = Field(description="How it ended; empty while it goes on.")
    resolved_by: str = Field(description="Who ended it; empty when it ended by itself.")


class EndingOut(BaseModel):
    """How some of the newest episodes ended."""

    resolution: str
    by: str
    episodes: int
    last_at: datetime
    median_seconds: float


class StuckDetailOut(StuckKindOut):
    endings: list[EndingOut]
    episodes_page: list[EpisodeOut] = Field(description="The newest episodes.")
    next_cursor: str | None


class EpisodesIn(PageIn):
    q: str = Field("", max_length=2048, description="What stands in the brackets of `stuck(…)`.")


class StuckChangeIn(BaseModel):
    """A state, a note, or both."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    note: str | None = Field(None, json_schema_extra={"maxLength": 2000})


class RemedyIn(BaseModel):
    """One verb for all runs of the kind."""

    model_config = ConfigDict(extra="forbid")

    verb: Verb
    q: str = Field("", max_length=2048, description="Narrows the episodes, as in the brackets of `stuck(…)`.")
    reason: str = Field("", description="Stands at each run.")


class NoteIn(BaseModel):
    """What a run shall read at its next turn."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(
        "",
        description="Empty for a plain hint that it repeats itself.",
        json_schema_extra={"maxLength": 2000},
    )
    hand_off: bool = Field(default=False, description="Begin a fresh session, too.")


class WatchOut(BaseModel):
    """The rules of an agent: those that are set, and all that hold."""

    watch: dict[str, Any]
    declared: dict[str, Any] = Field(description="What the agent's code says.")
    effective: dict[str, Any]


class OddsOut(BaseModel):
    """How sure an agent's steps are, of its newest runs that succeeded or failed."""

    runs: int
    step_success: float = Field(description="p: the share of steps that succeeded at the first try.")
    steps: int = Field(description="n: of the runs that succeeded half have fewer.")
    implied: float = Field(
        description="pⁿ: the share of runs that would succeed if nothing were tried again."
    )
    actual: float = Field(description="The share that did.")
