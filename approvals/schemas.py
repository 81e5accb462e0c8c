"""Shapes of the API's calls about approval requests."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.schemas import PageIn

Kind = Literal["approve", "permission", "ask", "unknown"]
Status = Literal["pending", "approved", "rejected", "answered", "expired", "cancelled", "voided"]
DecisionType = Literal["approve", "edit", "reject", "respond"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ApprovalListIn(PageIn):
    folder: Literal["mine", "queues", "all", "closed"] = Field(
        "all", description="`mine`: claimed by me or put to me by name; `queues`: what I may have to decide."
    )
    queue: str = Field("", description="Only of the queue with this slug.")
    agent: str = Field("", description="Only of the agent with this slug.")
    action: str = Field("", description="Only about this tool or action.")
    status: Status | Literal[""] = Field(
        "", description="Closed ones need a status, the folder `closed`, or a query that asks for them."
    )
    run_id: UUID | None = Field(None, description="Only of this run.")
    q: str = Field(
        "",
        description="What to find, in the query language: words, `tool:payment.*`, `is:overdue`, `holder:@me`, `due:<now` …",
    )


class DecideIn(_In):
    """A decision, and what it was made about."""

    type: DecisionType
    args: Any = Field(None, description="With `edit`: all the arguments to use instead.")
    answer: Any = Field(
        None, description="With `respond`: the answer; about an unknown outcome `{outcome, output?}`."
    )
    message: str = Field(
        "", description="What the agent and the history are told.", json_schema_extra={"maxLength": 4000}
    )
    version: int = Field(description="The `version` that you saw; 409 when it has passed.", ge=1)
    args_digest: str = Field(
        description="The `args_digest` that you saw; 409 when the arguments are others by now."
    )
    action: str = Field("", description="The tool, if you like: another than the request's is refused.")


class BulkItemIn(_In):
    id: UUID
    version: int = Field(ge=1)
    args_digest: str


class BulkDecideIn(_In):
    """One decision about several requests of one sort."""

    type: Literal["approve", "reject"]
    items: list[BulkItemIn]
    message: str = Field("", json_schema_extra={"maxLength": 4000})


class RecallIn(_In):
    """Why a permission is taken back."""

    message: str = Field(
        description="What the history is told, and who is asked again.", json_schema_extra={"maxLength": 4000}
    )
    version: int | None = Field(None, description="The `version` that you saw; 409 when it has passed.", ge=1)


class ClockIn(_In):
    """Whether the clocks of a request stand."""

    verb: Literal["pause", "resume"]
    reason: str = Field(
        "", description="With `pause`: who must answer first.", json_schema_extra={"maxLength": 1000}
    )


class ClaimIn(_In):
    take_over: bool = Field(default=False, description="Also when somebody else has claimed it.")


class DelegateIn(_In):
    to: str = Field(description="The user name or e-mail address of somebody who may review.")
    message: str = ""


class CommentIn(_In):
    text: str = Field(description="What everybody in the team reads; the agent does not.")


class StageOut(BaseModel):
    """One stage of who must decide."""

    name: str
    quantifier: Literal["any", "all", "k_of_n"]
    queue: str
    needed: int = Field(description="How many must approve, as things are now.")
    approved: int
    is_open: bool
    excludes_initiator: bool
    people_only: bool


class DecisionOut(BaseModel):
    """What one person decided."""

    by: str
    on_behalf_of: str | None
    type: str
    stage: int
    message: str
    args: Any
    args_digest: str = Field(description="What it was decided about.")
    void_reason: str = Field(description="Why it does not count any more; empty while it does.")
    at: datetime


class CommentOut(BaseModel):
    id: UUID
    by: str
    text: str
    at: datetime


class ApprovalRowOut(BaseModel):
    """A request in a list."""

    id: UUID
    kind: Kind
    status: Status
    version: int
    agent: str
    run_id: UUID
    step: int
    action: str
    effect: str
    summary: str = Field(description="What would be done, written by us from the real arguments.")
    args_digest: str
    signature: str = Field(description="Requests with the same one may be decided together.")
    queue: str | None
    stage: int
    claimed_by: str | None
    claimed_until: datetime | None
    opened_at: datetime
    first_response_due_at: datetime | None
    decision_due_at: datetime | None
    expires_at: datetime | None
    escalation_level: int
    closed_at: datetime | None
    closed_by: str
    url: str


class ApprovalOut(ApprovalRowOut):
    """A request with everything that a decision rests on."""

    reason: str = Field(description="The agent's own words: written by a model, not checked.")
    args: Any
    proposed_args: Any
    args_schema: Any
    question: Any
    evidence: Any
    rule: Any = Field(description="The rule that asks, if one does.")
    stages: list[StageOut]
    allowed: list[DecisionType]
    may_decide: bool
    why_not: str = Field(description="Why you may not decide it; empty when you may.")
    initiator: str | None
    message: str
    answer: Any
    grant_expires_at: datetime | None
    used_at: datetime | None
    used_step: int | None
    supersedes: UUID | None
    turn: list[UUID] = Field(
        description="Requests about the actions of the same turn, this one among them, in order: done together when all are decided."
    )
    decisions: list[DecisionOut]
    comments: list[CommentOut]


class ApprovalPageOut(BaseModel):
    """A page of requests: open ones due first, closed ones newest first."""

    items: list[ApprovalRowOut]
    next_cursor: str | None


class BulkResultOut(BaseModel):
    id: UUID
    status: Status
    problem: str = Field(description="Why it was not decided; empty when it was.")


class BulkDecidedOut(BaseModel):
    items: list[BulkResultOut]
