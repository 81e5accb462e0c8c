"""Shapes of the HTTP API about forks, rewinds and branches."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas import DiffSummaryOut, NotYet

Seq = Annotated[int, Field(strict=True, ge=0, lt=1 << 62)]
OutputSeq = Annotated[int, Field(ge=1, lt=1 << 62)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ForkIn(_In):
    """A fork: where it begins, what is changed, and what becomes of the calls that were made behind that place."""

    seq: Seq = Field(
        description="Where it begins: after a checkpoint (0: the input), or before an action. With `outputs`, at the "
        "earliest of all."
    )
    effect_mode: Literal["live", "recorded", "dry"] = Field(
        description="`live` makes every call again; `recorded` uses what was recorded while the requests are equal, and "
        "asks before a new write; `dry` makes up what a write would return."
    )
    reason: str = Field("", description="Why; shown on the fork's page.")
    state_patch: list[dict[str, Any]] | None = Field(
        None, description="RFC 6902 operations on the state; it must fit the program's schema afterwards."
    )
    input: Any = Field(
        None, description="A new input; its values take the place of the old input's in the state."
    )
    outputs: dict[OutputSeq, Any] | None = Field(
        None,
        description="What actions should have returned, by their seq.",
        json_schema_extra={"maxProperties": 100},
    )
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version of the same agent; the parent's when left out."
    )
    keep_signals: bool = Field(
        default=False,
        description="Give it the signals that the parent used behind that place, or not at all.",
    )
    model: NotYet = None
    instructions: NotYet = None


class EffectOut(BaseModel):
    """A write that the run made behind the place."""

    seq: int
    tool: str
    args: Any
    idempotency_key: str
    status: str
    fate: Literal["again", "same_key", "served", "asked", "simulated"] = Field(
        description="If the new path asks for the same: `again`, it is made once more; `same_key`, once more under the key "
        "it had; `served`, its recorded outcome is used; `asked`, a person must allow it; `simulated`, it is not made."
    )


class PreviewOut(BaseModel):
    """What a fork or a rewind would do. Nothing was changed."""

    seq: int = Field(description="Where it begins: the earliest of `seq` and the edited outputs.")
    checkpoint_seq: int = Field(description="The checkpoint whose state it begins with; 0 is the input.")
    node: str
    kept: int = Field(description="Actions of this node whose outcomes it begins with.")
    effect_mode: str
    words: str = Field(description="What the effect mode means here.")
    actions: int = Field(description="How many actions were done behind that place.")
    effects: list[EffectOut] = Field(description="Those of them that write, the first 200.")
    n_effects: int
    patch: list[dict[str, Any]] = Field(description="RFC 6902 operations: what is changed in the state.")
    summary: DiffSummaryOut


class RewindIn(_In):
    """A step to go on from, on a new branch of the same run."""

    seq: Seq = Field(description="After a checkpoint (0: the input), or before an action.")
    reason: str = Field("", description="Why; shown with the branch.")


class RewindPreviewIn(_In):
    seq: Seq


class RewindPreviewOut(BaseModel):
    """What a rewind would do. Nothing was changed."""

    seq: int
    checkpoint_seq: int = Field(description="The checkpoint whose state it goes on with; 0 is the input.")
    node: str
    effect_mode: str
    words: str = Field(description="What becomes of the writes made since.")
    actions: int = Field(description="How many actions were done behind that place.")
    effects: list[EffectOut] = Field(description="Those of them that write, the first 200.")
    n_effects: int


class RungOut(BaseModel):
    """A rung of a recovery policy that was taken when a node had failed."""

    rule: int = Field(description="Which rule of the policy, from 0.")
    rung: int = Field(description="Which of its rungs, from 0.")
    of: int = Field(description="How many rungs the rule has.")
    n: int = Field(description="The n-th time that it was taken at this place.")
    do: str = Field(description="What it does, such as `retry` or `longer_timeout`.")
    node: str = Field(description="The node that failed.")
    seq: int = Field(description="Its step.")
    code: str = Field(description="The code of its error.")
    tool: str = Field(description="The tool whose call failed, if one did.")
    wait_seconds: float
    passed: list[str] = Field(description="Rungs before it that were of no use, and why.")


class BranchOut(BaseModel):
    """A branch of a run. What was simply started has branch 1 and no cause."""

    number: int
    parent_number: int = Field(description="The branch it left; 0 for the first.")
    cause: str = Field(description="`start`, `fork`, `rewind`, or `heal`.")
    rung: RungOut | None = Field(None, description="Of a branch that healing began: what was tried.")
    effect_mode: str
    from_run: UUID | None = Field(description="The run that was forked; it may be deleted by now.")
    from_seq: int | None
    checkpoint_seq: int | None
    node: str
    reason: str
    by: str
    at: datetime
    is_current: bool


class ForkOut(BaseModel):
    """A run that was forked from this one."""

    id: UUID
    seq: int | None
    status: str
    effect_mode: str
    created_by: str
    created_at: datetime


class BranchesOut(BaseModel):
    branches: list[BranchOut]
    forks: list[ForkOut] = Field(description="The newest 200.")
    n_forks: int
