"""Shapes of the HTTP API: what calls take and what they answer. Stable names (docs/reference/api.md)."""

from datetime import datetime
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from runs.engine.states import RunStatus
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT
from runs.selectors.steps import MAX_STEPS

INLINE_OUTPUT_BYTES = 1 << 20


def _not_yet(value: Any) -> NoReturn:
    raise PydanticCustomError("not_supported", "this version does not support it yet; leave it out")


NotYet = SkipJsonSchema[Annotated[Any, BeforeValidator(_not_yet)]]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Amount = Annotated[int, Field(strict=True)]
_AMOUNT: dict[str, Any] = {"minimum": 1}


class RunBudgetIn(_In):
    """What a run may spend with its children, at most; then it is paused."""

    cost_microusd: _Amount | None = Field(None, json_schema_extra=_AMOUNT)
    tokens: _Amount | None = Field(None, json_schema_extra=_AMOUNT)
    steps: _Amount | None = Field(None, json_schema_extra=_AMOUNT)
    seconds: _Amount | None = Field(None, json_schema_extra=_AMOUNT)
    tool_calls: _Amount | None = Field(None, json_schema_extra=_AMOUNT)


class StartRunIn(_In):
    """A run to start."""

    agent: str = Field(description="Slug of the agent.")
    input: Any = Field(description="The first state; must fit the JSON Schema of the agent's version.")
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version; the newest published one when left out."
    )
    idempotency_key: str | None = Field(
        None,
        description="The same key again answers 200 with the same run. May be sent as the header Idempotency-Key.",
        json_schema_extra={"minLength": 1, "maxLength": 200},
    )
    priority: Annotated[int, Field(strict=True)] = Field(
        0, description="Higher ones are claimed first.", json_schema_extra={"minimum": -100, "maximum": 100}
    )
    tags: list[str] = Field([], description="Words to find it by.", json_schema_extra={"maxItems": 20})
    batch_id: str = Field("", description="What it belongs to.", json_schema_extra={"maxLength": 100})
    title: str | None = Field(None, description="What people call it.", json_schema_extra={"maxLength": 300})
    deadline: datetime | None = Field(
        None, description="When it should be done (RFC 3339, with a time zone)."
    )
    callback_url: str | None = Field(
        None,
        description="Told of the run's end by a signed POST; http or https, at a public address.",
        json_schema_extra={"format": "uri", "maxLength": 2000},
    )
    queue: str | None = Field(
        None,
        description="Whose workers execute it; the agent's when left out.",
        json_schema_extra={"minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    )
    concurrency_key: str | None = Field(
        None,
        description="What only so many runs are executed for at once, where a limit counts it; as the agent's code makes it of "
        "the input when left out.",
        json_schema_extra={"maxLength": 100},
    )
    budget: RunBudgetIn | None = Field(None, description="What it may spend with its children, at most.")
    parent: NotYet = None


class ReasonIn(_In):
    reason: str = Field("", description="Why; shown on the run's page.")


class MigrateIn(ReasonIn):
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="Number of a version; the newest published one when left out."
    )


class ResolveIn(_In):
    """What a person found out about a write whose outcome was lost."""

    outcome: Literal["ran", "did_not_run", "run_again"]
    output: Any = Field(None, description="What it returned, when it ran.")
    reason: str = Field(description="How you know.")
    version: Annotated[int, Field(strict=True)] = Field(description="`epoch` of the run as you saw it.")


class PageIn(_In):
    cursor: str = Field("", description="`next_cursor` of the page before.")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)


class RunListIn(PageIn):
    status: list[RunStatus] = Field([], description="Any of these; may be repeated.")
    agent: str = Field("", description="Slug of an agent.")
    q: str = Field(
        "",
        description="What to find, in the query language: words, `status:a,b`, `cost:>5`, `-tag:x`, `created:-1d` …",
    )


class StepListIn(_In):
    after: int = Field(0, ge=0, description="The last `seq` that is already known.")
    limit: int = Field(MAX_LIMIT, ge=1, le=MAX_STEPS)
    cursor: str = Field("", description="`next_cursor` of the page before, instead of `after`.")
    depth: int | None = Field(None, ge=0, description="No deeper than this; 0 gives the nodes alone.")


class DiffIn(_In):
    a: int = Field(ge=0, description="Checkpoint of this run.")
    b: str = Field(
        description="Checkpoint of this run, or `<run id>:<seq>` of another.",
        pattern=r"^([0-9a-fA-F-]{32,36}:)?[0-9]{1,18}$",
    )


class ProgressOut(BaseModel):
    done: int
    total: int | None
    note: str


class TokensOut(BaseModel):
    input: int
    output: int


class RunRowOut(BaseModel):
    """A run as it stands in lists."""

    id: UUID
    url: str = Field(description="Its page in the console.")
    agent: str
    version: int
    title: str
    tags: list[str]
    batch_id: str
    queue: str = Field(description="Whose workers execute it.")
    concurrency_key: str = Field(
        description="What only so many runs are executed for at once, where a limit counts it; empty for nothing."
    )
    priority: int
    status: RunStatus
    is_cancelling: bool = Field(description="Someone cancelled it; it ends at its next commit.")
    health: list[str]
    node: str = Field(description="The node that runs now, or next; of an ended run the last one.")
    progress: ProgressOut | None
    wake_at: datetime | None
    deadline: datetime | None
    cost_microusd: int
    tokens: TokensOut
    steps: int
    attempts: int = Field(description="Steps and their repeated tries.")
    parent: UUID | None
    forked_from: UUID | None
    forked_from_seq: int | None
    branch: int = Field(description="Number of the branch that it is on; each rewind begins another.")
    effect_mode: str = Field(
        description="How it treats what was done before: `live`, `recorded`, `dry`, `inherit` after a rewind; empty for a run "
        "that was simply started."
    )
    root: UUID
    head_seq: int = Field(description="The step of the newest checkpoint.")
    error_message: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    archived_at: datetime | None = Field(
        description="Since when its other rows are in its archive: steps and states are 409 `run_archived` until it is restored."
    )


class StartedOut(RunRowOut):
    """The run that was started, or that the idempotency key belongs to."""

    warnings: list[str] = Field(description="What was changed in the request to make it storable.")


class RunOut(RunRowOut):
    """Everything about one run but its tree and states."""

    waiting_on: dict[str, Any] | None = Field(
        description="What it waits for. Of a queued run, on `GET` alone, what is in its way: `kind` is `limit`, `agent_paused` or "
        "`team_paused`; null when it needs nothing but a free worker."
    )
    session: dict[str, Any] | None = Field(
        None,
        description="On `GET` alone, of agents of language models: `number` of the session that the run is in; each begins from a "
        "hand-off.",
    )
    budget: dict[str, Any] | None = Field(
        None,
        description="On `GET` alone: of each unit that is limited `used`, `limit` and `left`, where several budgets limit it of that "
        "with the least left; null where none does.",
    )
    error: dict[str, Any] | None
    output: Any = Field(description="Null also when it is longer than 1 MiB; then `output_url` has it.")
    output_url: str | None
    callback_url: str | None
    ended_by: str = Field(description="Who paused, cancelled or killed it.")
    end_reason: str
    epoch: int = Field(description="Counts changes of hands; a form sends it back to say what it saw.")
    legal: list[str] = Field(description="The verbs that may be used on the run now.")


class StepRowOut(BaseModel):
    """A row of the execution tree: a node, or an action inside one."""

    seq: int
    parent_seq: int = Field(description="0 for nodes.")
    branch: int
    depth: int
    ordinal: int | None = Field(description="Place of an action in its node.")
    kind: str
    name: str
    effect: str
    status: str
    is_superseded: bool = Field(description="A retry of the node has replaced it.")
    reuse: str = Field(
        description="How an action that was not simply done came by its outcome: `kept`, `recorded`, `inherited`, `edited` or "
        "`simulated`."
    )
    summary: str
    n_attempts: int
    error_code: str
    cost_microusd: int
    tokens: TokensOut
    started_at: datetime
    ended_at: datetime | None
    due_at: datetime | None


class AttemptOut(BaseModel):
    """A failed try."""

    number: int
    error_code: str
    message: str
    detail: str
    retry_seconds: float | None
    started_at: datetime
    ended_at: datetime


class LogLineOut(BaseModel):
    level: str
    message: str
    at: datetime


class StepOut(StepRowOut):
    """One step with everything that is known of it."""

    input: Any = Field(description="Arguments of an action; null for a node.")
    output: Any = Field(description="Result of an action that succeeded.")
    error: dict[str, Any] | None
    premises: list[dict[str, Any]] = Field(
        description="What a permission goes by: `value` is what the person saw, `found` what had changed before the call."
    )
    delta: list[Any] | None = Field(
        description="What a node changed in the state: [operation, pointer, value]."
    )
    reasoning: None = Field(None, description="Always null: no step asks a model yet.")
    idempotency_key: str | None
    attempts: list[AttemptOut] = Field(description="Tries that failed.")
    logs: list[LogLineOut]
    verified: bool = Field(description="False when the stored outcome fails its integrity check.")


class CheckpointRowOut(BaseModel):
    seq: int
    parent_seq: int
    branch: int
    kind: Literal["delta"]
    node: str
    hash: str
    stored_bytes: int
    created_at: datetime | None


class StateOut(BaseModel):
    """The state of a run after a step; `verified` says that the whole chain up to it was checked."""

    seq: int
    state: Any
    hash: str
    verified: bool


class DiffSummaryOut(BaseModel):
    added: int
    removed: int
    replaced: int
    moved: int = Field(description="Items that stand elsewhere in their list.")
    keys: list[str] = Field(description="Keys of the top level with changes below them.")


class DiffOut(BaseModel):
    patch: list[dict[str, Any]] = Field(
        description="RFC 6902 operations that make the state at b of that at a."
    )
    summary: DiffSummaryOut


class VerdictOut(BaseModel):
    """What a check of every stored row of a run found."""

    clean: bool
    rows: int = Field(description="How many were checked.")
    failures: list[str] = Field(description="One sentence for each row that fails; the first 100.")
    last_good_seq: int = Field(description="The last checkpoint before any that fails; 0 is the input.")


class PauseOut(BaseModel):
    """Who has paused an agent or a team whole, and why."""

    by: str
    reason: str
    at: datetime


class AgentRowOut(BaseModel):
    slug: str
    title: str
    description: str
    queue: str
    paused: PauseOut | None = Field(description="While it is paused, none of its runs is executed.")
    version: int | None = Field(
        description="Number of the published version; null when there is none to start."
    )


class VersionOut(BaseModel):
    number: int
    program: str
    program_version: str
    source_hash: str
    input_schema: dict[str, Any]
    is_code: bool = Field(description="Whether it is made of code; else of a definition.")
    note: str
    created_by: str = Field(description="Empty for versions of code, which registers itself.")
    created_at: datetime
    published_at: datetime | None
    withdrawn_at: datetime | None = Field(description="When somebody rolled back from it.")


class AgentOut(AgentRowOut):
    input_schema: dict[str, Any] | None = Field(description="JSON Schema of the published version's input.")
    versions: list[VersionOut] = Field(description="Newest first.")


class RunPageOut(BaseModel):
    items: list[RunRowOut]
    next_cursor: str | None


class StepPageOut(BaseModel):
    items: list[StepRowOut]
    next_cursor: str | None


class CheckpointPageOut(BaseModel):
    items: list[CheckpointRowOut]
    next_cursor: str | None


class AgentPageOut(BaseModel):
    items: list[AgentRowOut]
    next_cursor: str | None


class ProblemOut(BaseModel):
    """RFC 9457 problem details; some codes add members of their own (docs/reference/errors.md)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
