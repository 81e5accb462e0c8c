"""Reading budgets: what is allowed, what was spent of it, what one would hit, and what was spent when, by whom, on what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.engine.budgets import Amount, Amounts, BudgetScope, Line, Period, Unit, lines_of
from runs.journal import purses
from runs.journal.fence import query
from runs.journal.purses import Held
from runs.models import Agent, Budget, Purse, Run, SpendDay
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of

SHOWN_PURSES = 20
SHOWN_HITS = 20
LONGEST_DAYS = 366

_TODAY = "SELECT to_char((clock_timestamp() AT TIME ZONE 'UTC')::date, 'YYYY-MM-DD')"
# Trees of runs that are not over yet, each as its top: what they took so far.
_TREES = """
WITH RECURSIVE tree AS (
    SELECT r.id AS top_id, r.id, r.cost_microusd, r.tokens_in + r.tokens_out AS tokens, r.n_steps FROM runs_run r
    WHERE r.team_id = %(team_id)s AND r.ended_at IS NULL AND (%(agent_id)s::uuid IS NULL AND r.parent_id IS NULL
        OR r.agent_id = %(agent_id)s::uuid)
    UNION ALL
    SELECT t.top_id, r.id, r.cost_microusd, r.tokens_in + r.tokens_out, r.n_steps FROM runs_run r JOIN tree t ON r.parent_id = t.id)
SELECT r.id, r.title, g.slug, t.cost, t.tokens, t.steps FROM (
    SELECT top_id, sum(cost_microusd)::bigint AS cost, sum(tokens)::bigint AS tokens, sum(n_steps)::bigint AS steps
    FROM tree GROUP BY top_id) t
JOIN runs_run r ON r.id = t.top_id JOIN runs_agent g ON g.id = r.agent_id ORDER BY t.cost DESC, t.tokens DESC LIMIT 10000
"""


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A budget with its purses, the fullest or newest first, at most SHOWN_PURSES; `n_paused` runs wait for it."""

    budget: Budget
    purses: list[Held]
    n_paused: int

    @property
    def lines(self) -> Mapping[str, Line]:
        return lines_of(self.budget.limits)


@dataclass(frozen=True, slots=True)
class Hit:
    """A run that has taken so much already, and which limit that reaches: `soft` or `hard`."""

    run_id: UUID
    title: str
    agent: str
    spent: Amounts
    reached: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a budget would do now: what is `spent` in its period, which limit that reaches, and whom it covers.

    `n_open` runs that are not over draw on it, of `agents`; `hits` are those that would be asked about or paused by themselves.
    """

    spent: Amounts
    reached: str
    n_open: int
    agents: list[str]
    hits: list[Hit]
    n_hit: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What requests to models have cost, of one group on one day, or of one group."""

    name: str
    n_calls: int
    n_unpriced: int
    cost_microusd: int
    tokens: int
    day: date | None = None


def budgets_of(actor: Actor) -> QuerySet[Budget]:
    """Return the team's budgets, bearing `now_at`. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return Budget.objects.filter(team_id=actor.team_id).select_related("defined_by").annotate(now_at=Now())


def budget_for(actor: Actor, budget_id: UUID) -> Budget:
    """Return one budget of the team. Raises: NotFoundError, NotAllowedError."""
    found = budgets_of(actor).filter(pk=budget_id).first()
    if found is None:
        raise NotFoundError(f"there is no budget {budget_id}", budget=str(budget_id))
    return found


def budgets_for(
    actor: Actor, *, with_runs: bool = False, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[BudgetUse]:
    """Return a page of the team's budgets by age, the oldest first; those that runs brought along only `with_runs`.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    found = budgets_of(actor).order_by("id")
    if not with_runs:
        found = found.exclude(scope=BudgetScope.RUN)
    if cursor:
        found = found.filter(id__gt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    uses = [use_of(actor, budget) for budget in found[: limit + 1]]
    return page_of(uses, limit, lambda use: (use.budget.id,))


def use_of(actor: Actor, budget: Budget) -> BudgetUse:
    """Return the budget with what was spent of it, in the period of now."""
    ids = Purse.objects.filter(budget=budget).order_by("-began_at").values_list("id", flat=True)
    found = purses.held(list(ids[:SHOWN_PURSES]))
    paused = Run.objects.filter(
        team_id=actor.team_id, status="paused", ended_at=None, waiting_on__kind="budget",
        waiting_on__purse__in=[str(one.id) for one in found],
    )  # fmt: skip
    return BudgetUse(budget, sorted(found, key=_newest, reverse=True), paused.count() if found else 0)


def purses_for(actor: Actor, run: Run) -> list[Held]:
    """Return the purses that the run draws on, with those of the runs above it. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return purses.held(purses.open_purse_ids(run.pk))


def tightest(found: Sequence[Held]) -> dict[str, tuple[Held, Amount]]:
    """Return for each unit the purse with the least left under a hard limit, and what is left."""
    best: dict[str, tuple[Held, Amount]] = {}
    for one in found:
        for unit in one.purse.lines:
            left = one.purse.left(unit)
            if left is not None and (unit not in best or left < best[unit][1]):
                best[unit] = (one, left)
    return best


def preview_for(
    actor: Actor, *, scope: str, agent: Agent | None, period: str, limits: Mapping[str, Any]
) -> Preview:
    """Return what a budget with these limits would do now. Raises: NotAllowedError."""
    actor.require(Scope.ADMIN)
    lines = lines_of(limits)
    agent_id = agent.pk if agent else None
    runs = Run.objects.filter(team_id=actor.team_id, ended_at=None)
    runs = runs.filter(agent_id=agent_id) if agent_id else runs
    agents = list(runs.order_by("agent__slug").values_list("agent__slug", flat=True).distinct()[:SHOWN_HITS])
    if scope != BudgetScope.EACH_RUN:
        spent = _spent_in(actor, agent_id, period)
        return Preview(spent, _reached(lines, spent), runs.count(), agents, [], 0)
    rows = query(_TREES, {"team_id": actor.team_id, "agent_id": agent_id})
    taken = [
        (row, {Unit.COST.value: row[3], Unit.TOKENS.value: row[4], Unit.STEPS.value: row[5]}) for row in rows
    ]
    hits = [
        Hit(row[0], row[1], row[2], spent, reached)
        for row, spent in taken
        if (reached := _reached(lines, spent))
    ]
    return Preview({}, "", len(rows), agents, hits[:SHOWN_HITS], len(hits))


def spend_by(actor: Actor, by: str, *, days: int) -> list[Spend]:
    """Return what the last `days` have cost by `agent` or `model`, the dearest first.

    Raises: NotAllowedError
    """
    rows = _summed(_days(actor, days).values("agent_id" if by == "agent" else "model"))
    slugs = _slugs(actor)
    found = [
        Spend(slugs.get(row["agent_id"], "–") if by == "agent" else row["model"], *_numbers(row))
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.cost_microusd, -one.tokens, one.name))


def spend_of_days(actor: Actor, *, days: int) -> list[Spend]:
    """Return what each agent's requests have cost on each of the last `days`, by day. Raises: NotAllowedError."""
    rows = _summed(_days(actor, days).values("day", "agent_id").order_by("day"))
    slugs = _slugs(actor)
    return [Spend(slugs.get(row["agent_id"], "–"), *_numbers(row), row["day"]) for row in rows]


def key_of_now(period: str) -> str:
    """Return the key of a purse of a period, as of now."""
    now = today()
    return {Period.DAY: f"{now:%Y-%m-%d}", Period.MONTH: f"{now:%Y-%m}"}.get(
        Period(period), str(Period.FOREVER)
    )


def today() -> date:
    """Return the day of the database's clock, by UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_TODAY)
        return date.fromisoformat(cursor.fetchone()[0])


def _days(actor: Actor, days: int) -> QuerySet[SpendDay]:
    actor.require(Scope.READ)
    since = today().toordinal() - max(1, min(days, LONGEST_DAYS)) + 1
    return SpendDay.objects.filter(team_id=actor.team_id, day__gte=date.fromordinal(since))


def _summed(rows: Any) -> Any:
    return rows.annotate(
        calls=Sum("n_calls"), unpriced=Sum("n_unpriced"), cost=Sum("cost_microusd"), told=Sum("tokens_in"), said=Sum("tokens_out")
    )  # fmt: skip


def _numbers(row: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return row["calls"], row["unpriced"], row["cost"], row["told"] + row["said"]


def _slugs(actor: Actor) -> dict[UUID, str]:
    return dict(Agent.objects.filter(team_id=actor.team_id).values_list("id", "slug"))


def _spent_in(actor: Actor, agent_id: UUID | None, period: str) -> dict[str, Amount]:
    found = SpendDay.objects.filter(team_id=actor.team_id)
    found = found.filter(agent_id=agent_id) if agent_id else found
    now = today()
    if period != Period.FOREVER:
        found = found.filter(day__gte=now if period == Period.DAY else now.replace(day=1))
    row = found.aggregate(
        cost=Sum("cost_microusd"), told=Sum("tokens_in"), said=Sum("tokens_out"), n=Count("*")
    )
    return {Unit.COST.value: row["cost"] or 0, Unit.TOKENS.value: (row["told"] or 0) + (row["said"] or 0)}


def _reached(lines: Mapping[str, Line], spent: Amounts) -> str:
    """Return the worst limit that is reached: `hard`, `soft` or none."""
    known = [(line, spent[unit]) for unit, line in lines.items() if unit in spent]
    if any(line.hard is not None and amount >= line.hard for line, amount in known):
        return "hard"
    return "soft" if any(line.soft is not None and amount >= line.soft for line, amount in known) else ""


def _newest(one: Held) -> tuple[str, float]:
    cost = one.purse.spent.get(Unit.COST, 0) or one.purse.spent.get(Unit.STEPS, 0)
    return (str(one.day or ""), cost)
