"""Reading providers of language models, and how their models stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import FloatField, Q, QuerySet
from django.db.models.functions import Extract, Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from runs.engine.gates import Gate
from runs.llm.gate import gate_of
from runs.models import ModelGate, Provider


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model fares. Seconds are from now; 0 for not."""

    model: str
    gate: Gate
    open_seconds: float
    blocked_seconds: float
    last_error: str
    last_error_at: datetime | None
    last_answer_at: datetime | None
    now_at: datetime


def providers_for(actor: Actor) -> list[Provider]:
    """Return the team's providers, the default one first; they bear `has_secret` and `now_at`. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return list(_providers(actor).order_by("-is_default", "slug"))


def provider_for(actor: Actor, slug: str) -> Provider:
    """Return one provider of the team; it bears `has_secret` and `now_at`. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = _providers(actor).filter(slug=clean_json(slug)).first()
    if found is None:
        raise NotFoundError(f"there is no provider {slug!r}", provider=slug)
    return found


def standings_of(actor: Actor, providers: Sequence[Provider]) -> dict[UUID, list[Standing]]:
    """Return how the models of these providers stand that were asked before, by provider."""
    actor.require(Scope.READ)
    ids = [provider.pk for provider in providers if provider.team_id == actor.team_id]
    rows = ModelGate.objects.filter(provider_id__in=ids).order_by("model").annotate(
        now_at=Now(), now_seconds=Extract(Now(), "epoch", output_field=FloatField())
    )  # fmt: skip
    found: dict[UUID, list[Standing]] = {provider_id: [] for provider_id in ids}
    for row in rows:
        gate, now = gate_of(row.state), float(row.now_seconds)
        found[row.provider_id].append(
            Standing(
                row.model,
                gate,
                max(gate.open_until - now, 0.0),
                max(gate.blocked_until - now, 0.0),
                row.last_error,
                row.last_error_at,
                row.last_answer_at,
                row.now_at,
            )
        )
    return found


def _providers(actor: Actor) -> QuerySet[Provider]:
    found = Provider.objects.filter(team_id=actor.team_id).defer("secret")
    return found.annotate(now_at=Now(), has_secret=Q(secret__isnull=False))
