"""Providers as the API tells them."""

from collections.abc import Sequence
from typing import Any

from runs import schemas_providers as schemas
from runs.engine.providers import ProviderKind
from runs.models import Provider
from runs.selectors.providers import Standing


def provider_url(provider: Provider) -> str:
    """Return the address of the provider in the API."""
    return f"/api/v1/providers/{provider.slug}"


def etag(provider: Provider) -> str:
    return f'"{provider.version}"'


def provider_out(provider: Provider, standings: Sequence[Standing]) -> schemas.ProviderOut:
    return schemas.ProviderOut(
        slug=provider.slug, kind=ProviderKind(provider.kind), url=f"/settings/providers/{provider.slug}",
        base_url=provider.base_url, has_key=provider.__dict__["has_secret"], models=models_out(provider, standings),
        timeout_seconds=provider.timeout_seconds, is_default=provider.is_default, paused=provider.is_paused,
        version=provider.version, created_by=provider.created_by, created_at=provider.created_at,
    )  # fmt: skip


def models_out(provider: Provider, standings: Sequence[Standing]) -> list[schemas.ModelOut]:
    """Return the models of the catalog, and behind them those that were asked without standing there."""
    by_name = {standing.model: standing for standing in standings}
    told: list[dict[str, Any]] = [dict(model) for model in provider.catalog]
    others = sorted(set(by_name) - {model["name"] for model in told})
    return [
        _model_out(model, by_name.get(model["name"])) for model in [*told, *({"name": it} for it in others)]
    ]


def _model_out(model: dict[str, Any], standing: Standing | None) -> schemas.ModelOut:
    limits = standing.gate.limits if standing else None
    return schemas.ModelOut(
        name=model["name"], context_tokens=model.get("context_tokens"),
        rpm=model.get("rpm") or (limits.rpm if limits else None) or None,
        tpm=model.get("tpm") or (limits.tpm if limits else None) or None,
        in_microusd_per_mtok=model.get("in_microusd_per_mtok"), out_microusd_per_mtok=model.get("out_microusd_per_mtok"),
        open_seconds=standing.open_seconds if standing else 0.0,
        blocked_seconds=standing.blocked_seconds if standing else 0.0,
        last_error=standing.last_error if standing else "",
        last_error_at=standing.last_error_at if standing else None,
        last_answer_at=standing.last_answer_at if standing else None,
    )  # fmt: skip
