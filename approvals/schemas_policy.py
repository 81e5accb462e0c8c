"""Shapes of the API's calls about approval rules."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RuleIn(_In):
    """A rule: what becomes of actions that fit."""

    name: str = Field(json_schema_extra={"maxLength": 100})
    verdict: Literal["allow", "ask", "deny"]
    when: dict[str, Any] = Field(
        default_factory=dict, description="Conditions; all must hold. Empty fits everything."
    )
    stages: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Who must decide, one stage after the other: `{quantifier: any|all|k_of_n, k, queue, name, excludes_initiator, people_only}`.",
    )
    is_on: bool = True
    position: int = Field(100, ge=0, le=10_000)


class RulePatchIn(_In):
    """What changes of a rule, and the `version` that you saw."""

    version: int = Field(ge=1)
    name: str | None = Field(None, json_schema_extra={"maxLength": 100})
    verdict: Literal["allow", "ask", "deny"] | None = None
    when: dict[str, Any] | None = None
    stages: list[dict[str, Any]] | None = None
    is_on: bool | None = None
    position: int | None = Field(None, ge=0, le=10_000)


class RuleOut(BaseModel):
    """A rule as it stands."""

    id: UUID
    name: str
    verdict: Literal["allow", "ask", "deny"]
    when: Any
    stages: Any
    is_on: bool
    position: int
    preset: str
    defined_by: str | None = Field(description="The agent whose definition says so; it is changed there.")
    version: int


class RulesOut(BaseModel):
    """The team's rules, and the mode of agents that have none of their own."""

    mode: Literal["gate", "suggest", "monitor"]
    agent_modes: dict[str, str]
    items: list[RuleOut]


class TriedIn(_In):
    """A call that nobody makes."""

    tool: str = Field(json_schema_extra={"maxLength": 200})
    agent: str = Field("", json_schema_extra={"maxLength": 100})
    args: dict[str, Any] = Field(default_factory=dict)


class TriedOut(BaseModel):
    """What would become of it."""

    verdict: Literal["allow", "ask", "deny"]
    mode: Literal["gate", "suggest", "monitor"] = Field(
        description="With `monitor` nothing is held up, only noted."
    )
    rule: str | None
    others: list[str]
    why: str
    stages: Any
    effect: str
    sql_verbs: list[str]
    data_classes: list[str]
