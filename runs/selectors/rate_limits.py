"""Reading how many requests and tokens a minute each model of a team's providers may be asked for."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import F, Sum

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.engine.gates import Limits
from runs.models import Agent, Provider, SpendDay
from runs.selectors.budgets import today
from runs.selectors.providers import Standing, provider_for, providers_for, standings_of

PREVIEW_DAYS = 7


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a model may be asked for in a minute; None for what nobody has said. What its provider told us is `learned`."""

    provider: Provider
    model: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    learned: Limits
    blocked_seconds: float


@dataclass(frozen=True, slots=True)
class RatePreview:
    """Who would meet a limit: what was asked of the model in PREVIEW_DAYS, by which agents, and the busiest day of it."""

    agents: list[str]
    n_requests: int
    n_tokens: int
    busiest_requests: int
    busiest_tokens: int


def rate_limits_for(actor: Actor) -> list[RateLimit]:
    """Return every model of every provider of the team with its limits, by provider. Raises: NotAllowedError."""
    providers = providers_for(actor)
    standings = standings_of(actor, providers)
    return [limit for provider in providers for limit in _limits(provider, standings[provider.pk])]


def rate_limit_for(actor: Actor, slug: str, model: str) -> RateLimit:
    """Return one model's limits. Raises: NotFoundError, NotAllowedError."""
    provider = provider_for(actor, slug)
    limits = _limits(provider, standings_of(actor, [provider])[provider.pk])
    found = next((limit for limit in limits if limit.model == model), None)
    if found is None:
        raise NotFoundError(f"the provider {slug!r} has no model {model!r}", provider=slug, model=model)
    return found


def preview_for(actor: Actor, slug: str, model: str) -> RatePreview:
    """Return who asked the model lately, and how much. Raises: NotFoundError, NotAllowedError."""
    provider = provider_for(actor, slug)
    since = date.fromordinal(today().toordinal() - PREVIEW_DAYS + 1)
    rows = SpendDay.objects.filter(team_id=actor.team_id, day__gte=since, model=f"{provider.slug}/{model}")
    n_tokens = Sum(F("tokens_in") + F("tokens_out"))
    days = list(rows.values("day").annotate(n=Sum("n_calls"), n_tokens=n_tokens))
    agents = Agent.objects.filter(team_id=actor.team_id, pk__in=rows.values("agent_id")).order_by("slug")
    return RatePreview(
        list(agents.values_list("slug", flat=True)), sum(day["n"] for day in days), sum(day["n_tokens"] for day in days),
        max((day["n"] for day in days), default=0), max((day["n_tokens"] for day in days), default=0),
    )  # fmt: skip


def _limits(provider: Provider, standings: list[Standing]) -> list[RateLimit]:
    by_name = {standing.model: standing for standing in standings}
    said: dict[str, dict[str, Any]] = {model["name"]: model for model in provider.catalog}
    names = [*said, *sorted(set(by_name) - set(said))]
    return [_limit(provider, name, said.get(name, {}), by_name.get(name)) for name in names]


def _limit(provider: Provider, name: str, said: dict[str, Any], standing: Standing | None) -> RateLimit:
    return RateLimit(
        provider, name, said.get("rpm") or None, said.get("tpm") or None, standing.gate.limits if standing else Limits(),
        standing.blocked_seconds if standing else 0.0,
    )  # fmt: skip
