"""Shapes of the API's calls about sources of events and triggers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.sources import SourceKind
from runs.engine.states import RunStatus

Version = Annotated[
    Annotated[int, Field(strict=True)] | None,
    Field(description="The `version` as you saw it; another one is 409. Or send If-Match, for 412."),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceIn(_In):
    """A source of events to make."""

    slug: str = Field(
        description="Its name: 3 to 60 lower-case letters, digits and hyphens. It stands in the address of a webhook."
    )
    kind: SourceKind
    settings: dict[str, Any] = Field({}, description="What this kind needs; docs/reference/sources.md.")
    secret: str = Field(
        "", description="The one that the other side gave. A webhook without it gets a new one.",
        json_schema_extra={"maxLength": 2000},
    )  # fmt: skip


class SourcePatchIn(_In):
    """What is to be changed; what is left out stays, also inside `settings`."""

    paused: bool = False
    settings: dict[str, Any] = {}
    version: Version = None


class SecretIn(_In):
    """A secret to put in the place of the one there is."""

    secret: str = Field(
        "", description="The one that the other side gave. A webhook without it gets a new one.",
        json_schema_extra={"maxLength": 2000},
    )  # fmt: skip


class SourceOut(BaseModel):
    """A source of events, without its secret."""

    slug: str
    kind: SourceKind
    settings: dict[str, Any]
    url: str = Field(description="Its page in the console.")
    hook: str = Field(description="The path that a webhook is called at; empty where we look ourselves.")
    has_secret: bool
    paused: bool
    look_at: datetime | None = Field(description="When it is looked at next; null for a webhook.")
    last_event_at: datetime | None
    last_error: str = Field(
        description="What went wrong: a refused call, or the last look; empty when all is well."
    )
    last_error_at: datetime | None = Field(description="When; for a source that is looked at, since when.")
    n_events: int
    n_refused: int = Field(description="Calls that were refused.")
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime


class SourceSecretOut(SourceOut):
    """A source with its new secret, which is shown this once."""

    secret: str = Field(description="Empty where the source has none.")


class SourcePageOut(BaseModel):
    items: list[SourceOut]
    next_cursor: str | None


class TriggerIn(_In):
    """Events that shall start runs of an agent."""

    agent: str = Field(description="Slug of the agent.")
    event_name: str = Field(
        description="As the publisher calls it; events of a source are called `<source>.<name>`.",
        json_schema_extra={"maxLength": 200},
    )
    key: str = Field(
        "", description="What the event must be about; any when empty.", json_schema_extra={"maxLength": 200}
    )
    match: Any = Field(None, description="An object: what the payload must contain; null for any.")
    input_template: Any = Field(
        None,
        description='The input. `{"$": "/payload/…"}` in it stands for a part of the event; null takes the payload.',
    )
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version; null: the newest published one at each event."
    )
    priority: Annotated[int, Field(strict=True)] = Field(
        0, description="Of the runs.", json_schema_extra={"minimum": -100, "maximum": 100}
    )


class TriggerPatchIn(_In):
    """Pause a trigger, or let it go on."""

    paused: bool


class TriggerOut(BaseModel):
    """A trigger."""

    id: UUID
    url: str = Field(description="Its page in the console.")
    agent: str
    agent_version: int | None
    event_name: str
    key: str
    match: Any
    input_template: Any
    priority: int
    paused: bool
    defined_by: str | None = Field(description="The agent whose definition says so; it is changed there.")
    version: int
    created_by: str
    created_at: datetime


class TriggerPageOut(BaseModel):
    items: list[TriggerOut]
    next_cursor: str | None


class TriggerStartOut(BaseModel):
    """What came of one event."""

    event_id: UUID
    run: UUID | None
    run_status: RunStatus | None
    problem: str = Field(description="Why no run was started.")
    at: datetime


class TriggerStartPageOut(BaseModel):
    items: list[TriggerStartOut]
    next_cursor: str | None


class PreviewEventIn(_In):
    name: str = ""
    key: str = ""
    payload: Any = {}


class TriggerPreviewIn(_In):
    """A trigger that is not made, and an event that is not published."""

    event: PreviewEventIn
    event_name: str = Field("", description="Left out: any.")
    key: str = ""
    match: Any = None
    input_template: Any = None
    agent: str = Field("", description="Left out: the input is not checked against a schema.")
    version: Annotated[int, Field(strict=True)] | None = None


class TriggerPreviewOut(BaseModel):
    """What would become of it."""

    fits: bool
    why_not: str
    input: Any
    errors: list[dict[str, Any]] = Field(description="Where the input does not fit the agent's schema.")
