"""Shapes of the API's calls about memory."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from memory.engine.kinds import ItemStatus, SearchMode, SpaceKind, Trust, WritePolicy


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SpaceIn(_In):
    """A space to make."""

    slug: str = Field(description="Its name: 2 to 60 lower-case letters, digits and hyphens.")
    kind: SpaceKind
    title: str = ""
    write_policy: WritePolicy = Field(
        WritePolicy.OPEN,
        description="What becomes of agents' writes: they count, wait for a person, are refused.",
    )
    default_ttl_seconds: int | None = None
    half_life_days: float | None = None
    max_items: int | None = None


class SpacePatchIn(_In):
    """What is to be changed; what is left out stays."""

    title: str = ""
    write_policy: WritePolicy = WritePolicy.OPEN
    default_ttl_seconds: int | None = None
    half_life_days: float | None = None
    max_items: int | None = None
    version: int | None = Field(None, description="As you saw it; another one is 409.")


class SpaceOut(BaseModel):
    """A space of memory."""

    slug: str
    title: str
    kind: SpaceKind
    write_policy: WritePolicy
    default_ttl_seconds: int | None
    half_life_days: float | None
    max_items: int | None
    version: int
    created_at: datetime
    url: str


class SpacesOut(BaseModel):
    items: list[SpaceOut]


class ItemIn(_In):
    """What to remember."""

    text: str
    data: Any = None
    tags: list[str] = []
    importance: float = Field(0.5, description="From 0 to 1.")
    is_pinned: bool = Field(default=False, description="It neither fades nor is forgotten to make room.")
    ttl_seconds: float | None = Field(
        None, description="It is gone after so long; the space's when left out."
    )
    if_version: int | None = Field(None, description="The version you saw, 0 for none; another one is 409.")
    reason: str = ""


class ItemOut(BaseModel):
    """What is remembered under a key."""

    space: str
    key: str
    text: str
    data: Any
    tags: list[str]
    importance: float
    trust: Trust
    status: ItemStatus
    is_pinned: bool
    expires_at: datetime | None
    version: int
    written_by: str
    run_id: UUID | None
    seq: int | None
    created_at: datetime
    updated_at: datetime
    url: str


class ItemPageOut(BaseModel):
    items: list[ItemOut]
    next_cursor: str | None


class RevisionOut(BaseModel):
    """What an item said from `created_at` on."""

    version: int
    text: str
    data: Any
    tags: list[str]
    importance: float
    trust: Trust
    status: ItemStatus
    is_pinned: bool
    expires_at: datetime | None
    author: str
    run_id: UUID | None
    seq: int | None
    reason: str
    created_at: datetime


class HistoryOut(BaseModel):
    items: list[RevisionOut]


class RestoreIn(_In):
    version: int = Field(description="What it shall say again.")
    reason: str = ""
    if_version: int | None = None


class SearchIn(_In):
    """A question, or words."""

    query: str
    spaces: list[str] = Field([], description="Names of spaces; all of the team's when empty.")
    mode: SearchMode = SearchMode.HYBRID
    k: int = 10
    min_trust: Trust = Trust.UNTRUSTED
    budget_tokens: int | None = None
    explain: bool = False


class WhyOut(BaseModel):
    """What a score is made of: places in the legs, and factors."""

    places: dict[str, int]
    fit: float
    decay: float
    importance_factor: float
    trust_factor: float


class HitOut(BaseModel):
    item: ItemOut
    score: float
    why: WhyOut | None = None


class SearchOut(BaseModel):
    """The items, the best first; `legs` are those that were looked by."""

    items: list[HitOut]
    legs: list[str]


class UndoIn(_In):
    reason: str = ""


class UndoneOut(BaseModel):
    """Keys (`space/key`) that are as before the run, and those that somebody has changed since and that stay."""

    reverted: list[str]
    kept: list[str]
