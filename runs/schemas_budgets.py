"""Shapes of the API's calls about budgets."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runs.engine.budgets import MAX_AMOUNT, BudgetScope, Period
from runs.schemas import PageIn

_Amount = Annotated[int, Field(strict=True)]
_ANY: dict[str, Any] = {"minimum": 1, "maximum": MAX_AMOUNT}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LineIn(_In):
    """What may be spent of one unit."""

    soft: _Amount | None = Field(None, description="At this a person is asked.", json_schema_extra=_ANY)
    hard: _Amount | None = Field(None, description="At this nothing goes on.", json_schema_extra=_ANY)


class LimitsIn(_In):
    """What is counted, each with its limits; at least one."""

    cost_microusd: LineIn | None = Field(None, description="Money, in millionths of a US dollar.")
    tokens: LineIn | None = Field(None, description="Tokens of models, in and out.")
    steps: LineIn | None = Field(None, description="Nodes and their actions.")
    seconds: LineIn | None = Field(None, description="Time in which workers execute.")
    tool_calls: LineIn | None = Field(None, description="Calls of tools.")


class PlannedBudgetIn(_In):
    scope: Literal["team", "agent", "each_run"] = Field(
        description="Whose spending is counted: the team's, an agent's, or each run's with its children by itself."
    )
    name: str = Field("", description="Slug of the agent; for `each_run` empty for the runs of all agents.")
    period: Period = Field(
        Period.FOREVER, description="When counting begins anew, by UTC; `forever` for `each_run`."
    )
    limits: LimitsIn


class BudgetChangeIn(_In):
    limits: LimitsIn
    version: Annotated[int, Field(strict=True)] | None = Field(
        None, description="The `version` as you saw it; another one is 409. Or send If-Match, for 412."
    )


class BudgetListIn(PageIn):
    with_runs: bool = Field(default=False, description="Also those that single runs brought along.")


class RaiseIn(_In):
    """By how much more may be spent."""

    by: dict[str, _Amount] | None = Field(
        None, description="For each unit; half of the limit that was reached when left out."
    )
    reason: str = Field("", description="Why; kept in the audit.")


class LineOut(BaseModel):
    """What may be spent of one unit, and what was."""

    soft: int | None
    limit: int | None = Field(description="The hard limit, with what was added to it; null for none.")
    used: float = Field(description="What is spent.")
    reserved: float = Field(description="What open requests to models may cost at most.")
    left: float | None


class PurseOut(BaseModel):
    """What was spent in one period, or in one tree of runs."""

    id: UUID
    text: str = Field(description="Whose it is, in words.")
    until: datetime | None = Field(description="When its period ends.")
    lines: dict[str, LineOut]
    answer: str = Field(description="What a person said at its soft limit.")


class BudgetOut(BaseModel):
    """A budget and what was spent of it."""

    id: UUID
    scope: BudgetScope
    name: str = Field(description="The agent's slug, or the id of the run.")
    period: Period
    limits: dict[str, dict[str, int]]
    url: str = Field(description="Its page in the console.")
    purses: list[PurseOut] = Field(description="The newest first, at most 20.")
    paused: int = Field(description="Runs that are paused because of it.")
    defined_by: str | None = Field(description="The agent whose definition says so; it is changed there.")
    version: int = Field(description="Counts changes; also sent as ETag.")
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


class BudgetPageOut(BaseModel):
    items: list[BudgetOut]
    next_cursor: str | None


class RunBudgetOut(BaseModel):
    """What a run draws on."""

    purses: list[PurseOut]


class RaisedOut(BaseModel):
    """The run that goes on."""

    id: UUID
    status: str
    resumed: int = Field(description="How many runs go on that the same budget had paused.")


class HitOut(BaseModel):
    """A run that has taken so much already."""

    id: UUID
    title: str
    agent: str
    spent: dict[str, float]
    reached: Literal["soft", "hard"]


class BudgetPreviewOut(BaseModel):
    """What such a budget would do now."""

    spent: dict[str, float] = Field(description="Money and tokens of its period so far.")
    reached: Literal["", "soft", "hard"] = Field(description="Which limit that reaches.")
    open_runs: int = Field(description="Runs that are not over and would draw on it.")
    agents: list[str] = Field(description="Whose they are, at most 20.")
    hits: list[HitOut] = Field(description="For `each_run`: who would be asked about or paused, at most 20.")
    n_hits: int


class SpendOut(BaseModel):
    """What requests to models have cost."""

    name: str = Field(description="The agent's slug, or provider and model.")
    day: str | None
    calls: int
    unpriced: int = Field(description="Calls whose price nobody knows; they count as nothing.")
    cost_microusd: int
    tokens: int


class SpendListIn(_In):
    by: Literal["agent", "model", "day"] = "agent"
    days: int = Field(30, ge=1, le=366, description="How many days back, with today, by UTC.")


class SpendListOut(BaseModel):
    items: list[SpendOut]
