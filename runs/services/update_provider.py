"""Change a provider: its address, models, key, or whether it is asked at all."""

from typing import Any

from django.db.models import F

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.sealing import seal
from agentops.common.transactions import transaction
from runs.engine.providers import ProviderKind
from runs.llm.book import place_of
from runs.models import Provider
from runs.selectors.providers import provider_for
from runs.services.checks import misfit
from runs.services.provider_settings import checked_catalog, checked_key, checked_timeout, checked_url


def update_provider(
    *, actor: Actor, slug: str, changes: dict[str, Any], version: int | None = None
) -> Provider:
    """Return the provider with what `changes` names: base_url, key, models, timeout_seconds, paused, default.

    Requests that are under way end as they began; the next ones go by what stands then. Told another address, a provider
    needs its key once more: a key never goes to a place that it was not given for.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when it has another version.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    provider = provider_for(actor, slug)
    if version is not None and provider.version != version:
        raise changed(provider)
    columns = _columns(provider, changes)
    found = Provider.objects.filter(pk=provider.pk, version=provider.version)
    with transaction():
        if columns.get("is_default"):
            Provider.objects.filter(team_id=actor.team_id, is_default=True).update(is_default=False)
        if not found.update(**columns, version=F("version") + 1):
            raise changed(provider_for(actor, slug))
        record(
            actor=actor,
            action="provider.update",
            subject=f"provider:{slug}",
            detail={"changed": [*sorted(changes)]},
        )
    return provider_for(actor, slug)


def changed(provider: Provider) -> ConflictError:
    """Return the error for a version that has passed."""
    return ConflictError(
        f"the provider was changed meanwhile; it has version {provider.version} now. "
        "Load it again and repeat what is still to be changed",
        version=provider.version,
    )


def _columns(provider: Provider, changes: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if "base_url" in changes:
        columns["base_url"] = checked_url(ProviderKind(provider.kind), str(changes["base_url"] or ""))
        is_moved = columns["base_url"] != provider.base_url
        if is_moved and provider.__dict__["has_secret"] and not changes.get("key"):
            raise misfit("/key", "is needed again, for the address is another one")
    if changes.get("key"):
        key = checked_key(ProviderKind(provider.kind), str(changes["key"]))
        columns["secret"] = seal(key, place=place_of(provider))
    if "models" in changes:
        columns["catalog"] = checked_catalog(changes["models"])
    if "timeout_seconds" in changes:
        columns["timeout_seconds"] = checked_timeout(changes["timeout_seconds"])
    columns |= {"is_paused": bool(changes["paused"])} if "paused" in changes else {}
    return columns | ({"is_default": True} if changes.get("default") else {})
