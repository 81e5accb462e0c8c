"""Make a provider of language models."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.sealing import seal
from agentops.common.transactions import transaction
from runs.engine.providers import ProviderKind
from runs.llm import bedrock
from runs.llm.book import place_of
from runs.models import Provider
from runs.selectors.providers import provider_for
from runs.services.checks import misfit
from runs.services.provider_settings import (
    checked_catalog,
    checked_key,
    checked_slug,
    checked_timeout,
    checked_url,
)


def create_provider(
    *,
    actor: Actor,
    slug: str,
    kind: str,
    base_url: str = "",
    key: str = "",
    models: Any = None,
    timeout_seconds: float = 120.0,
    is_default: bool | None = None,
) -> Provider:
    """Return the provider; its key can be replaced, never read again.

    Args:
        actor: whose team's; needs the scope `admin`.
        slug: its name, by which agents call its models: `slug/model`.
        kind: a ProviderKind.
        base_url: where it is; the kind's own address where it has one.
        key: what it knows us by; may be empty for one that asks for none.
        models: what it has, the first being the one that the bare name means.
        timeout_seconds: how long an answer may take.
        is_default: whether it is asked where an agent names none; the first of a team is, when None.

    Raises: NotAllowedError; InvalidInputError with pointers; ConflictError when the name is taken.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    if kind not in [*ProviderKind]:
        raise misfit("/kind", f"must be one of {', '.join(ProviderKind)}")
    found = ProviderKind(kind)
    if found is ProviderKind.BEDROCK and not bedrock.is_installed():
        raise misfit("/kind", bedrock.MISSING)
    if found is ProviderKind.VERTEX and not key:
        raise misfit("/key", "is missing: the JSON key of a service account that may use Vertex")
    provider = Provider(
        team_id=actor.team_id, slug=checked_slug(slug), kind=kind, base_url=checked_url(found, base_url),
        catalog=checked_catalog(models), timeout_seconds=checked_timeout(timeout_seconds),
        created_by=actor.name[:200],
    )  # fmt: skip
    provider.secret = seal(checked_key(found, key), place=place_of(provider)) if key else None
    others = Provider.objects.filter(team_id=actor.team_id)
    with transaction():
        provider.is_default = (
            not others.filter(is_default=True).exists() if is_default is None else is_default
        )
        if provider.is_default:
            others.filter(is_default=True).update(is_default=False)
        Provider.objects.bulk_create([provider], ignore_conflicts=True)
        if not others.filter(pk=provider.pk).exists():
            raise ConflictError(
                f"the team has a provider {slug!r}; change that one, or choose another name", slug=slug
            )
        record(actor=actor, action="provider.create", subject=f"provider:{slug}", detail={"kind": kind})
    return provider_for(actor, slug)
