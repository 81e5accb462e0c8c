"""Shapes of the HTTP API about the files of a run's workspace."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seq = Annotated[int, Field(ge=0, lt=1 << 62)]
Path = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 1024})]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FilesIn(_Query):
    """Which files."""

    seq: Seq | None = Field(
        None, description="At the last checkpoint up to this step; the head when left out."
    )
    since: Seq | None = Field(None, description="Tell how each file differs from what it was at this step.")


class FileIn(_Query):
    """When."""

    seq: Seq | None = Field(
        None, description="At the last checkpoint up to this step; the head when left out."
    )


class FileDiffIn(_Query):
    """Which file, at which two checkpoints."""

    path: Path = Field(description="Path of the file in the workspace.")
    a: Seq = Field(description="The earlier step.")
    b: Seq = Field(description="The later step.")


class FileOut(BaseModel):
    path: str
    size_bytes: int
    sha256: str
    mode: str = Field(description="Permissions in octal: 644, or 755 for a program.")
    step_seq: int = Field(description="The step that left it as it is; 0 for what a fork began with.")
    change: Literal["added", "changed", "removed", "same"] | None = Field(
        description="Against `since`; null without it. A removed file is told as it was there."
    )


class FilesOut(BaseModel):
    """The files at one checkpoint, by path. As many as a workspace may have, so there are no pages of them."""

    seq: int
    since: int | None
    n_files: int
    n_bytes: int
    items: list[FileOut]


class FileDiffOut(BaseModel):
    """A file at two checkpoints. `a` and `b` are null where it is not there."""

    path: str
    a: FileOut | None
    b: FileOut | None
    diff: str | None = Field(
        description="In the unified format; null when a side is no text, or too long to compare."
    )
