"""Shapes of the API's calls that make and change agents."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.tools import Effect
from runs.schemas import VersionOut

_DEFINITION = "The agent as a document: see docs/reference/agent-definition.md."


class NewAgentIn(BaseModel):
    """An agent that is made without code."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(description="Its name: lower-case letters, digits and hyphens; it stands in addresses.")
    definition: dict[str, Any] = Field(description=_DEFINITION)
    note: str = Field("", description="What the version is about.")


class NewVersionIn(BaseModel):
    """Another definition of an agent."""

    model_config = ConfigDict(extra="forbid")

    definition: dict[str, Any] = Field(description=_DEFINITION)
    based_on: int | None = Field(
        None, description="The newest version as you saw it; when there is a newer one, 409."
    )
    note: str = Field("", description="What was changed, and why.")


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str = Field("", description="Why.")


class ImportIn(BaseModel):
    """What an export says."""

    model_config = ConfigDict(extra="forbid")

    format: str
    slug: str = Field(description="Its name here; an agent of that name gets a new version.")
    version: int | None = None
    definition: dict[str, Any] = Field(description=_DEFINITION)


class ExportIn(BaseModel):
    version: int | None = Field(None, description="Number of a version; the newest published one by default.")


class WarningOut(BaseModel):
    pointer: str
    message: str


class VersionDetailOut(VersionOut):
    agent: str
    url: str = Field(description="Its page in the console.")
    definition: dict[str, Any] | None = Field(description="Null for an agent of code.")
    warnings: list[WarningOut] = Field(
        description="What would keep its runs from doing well as things stand, such as a provider that is missing."
    )


class VersionDiffIn(BaseModel):
    a: int = Field(description="Number of a version.")
    b: int = Field(description="Number of another one.")


class VersionDiffOut(BaseModel):
    a: int
    b: int
    patch: list[dict[str, Any]] = Field(description="RFC 6902: what makes the definition of b of that of a.")


class ExportOut(BaseModel):
    format: str
    slug: str
    version: int
    definition: dict[str, Any]


class ToolOut(BaseModel):
    name: str
    effect: Effect = Field(
        description="What it does to the world; `write` and `destructive` may be asked about."
    )
    description: str
    args_schema: dict[str, Any] = Field(description="JSON Schema of its arguments.")
    idempotent: bool = Field(
        description="Whether a call whose answer was lost is made again with the same key."
    )


class ToolListOut(BaseModel):
    items: list[ToolOut]
