"""Which provider and model a reference means, with the key that opens it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.common.sealing import unseal
from agentops.common.types import JsonObject
from runs.engine.errors import ToolError
from runs.engine.gates import Limits
from runs.engine.providers import ProviderKind, split_model
from runs.llm.request import Endpoint
from runs.models import Provider


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a request may go to."""

    provider: Provider
    model: str
    entry: JsonObject

    @property
    def reference(self) -> str:
        return f"{self.provider.slug}/{self.model}"

    @property
    def kind(self) -> ProviderKind:
        return ProviderKind(self.provider.kind)

    @property
    def limits(self) -> Limits:
        return Limits(_whole(self.entry.get("rpm")), _whole(self.entry.get("tpm")))

    def endpoint(self) -> Endpoint:
        """Return where to ask. Raises: ToolError when the stored key does not open."""
        return endpoint_of(self.provider)


def offer_of(team_id: UUID, reference: str) -> Offer:
    """Return the model that `provider/model` means; either may be left out for the team's default.

    Raises: ToolError saying what there is.
    """
    slug, model = split_model(reference)
    providers = list(Provider.objects.filter(team_id=team_id).order_by("-is_default", "slug"))
    found = next((it for it in providers if it.slug == slug or not slug), None)
    if found is None:
        known = ", ".join(it.slug for it in providers) or "none; an admin adds one under Settings, Providers"
        raise ToolError(
            f"there is no provider {slug!r}; known are: {known}", code="model_unknown", retryable=False
        )
    if found.is_paused:
        raise ToolError(f"the provider {found.slug!r} is switched off", code="model_paused", retryable=False)
    catalog: list[Any] = found.catalog
    entry = next((it for it in catalog if it["name"] == model or not model), None)
    if entry is None and not model:
        raise ToolError(
            f"the provider {found.slug!r} lists no model; name one: {found.slug}/…",
            code="model_unknown",
            retryable=False,
        )
    return Offer(found, model or str(entry["name"] if entry else ""), entry or {})


def endpoint_of(provider: Provider) -> Endpoint:
    """Return where the provider is, and its key.

    Raises: ToolError when the stored key does not open.
    """
    try:
        key = unseal(bytes(provider.secret), place=place_of(provider)).decode() if provider.secret else ""
    except ValueError as error:
        raise ToolError(
            f"{error}; give the provider its key again", code="model_key", retryable=False
        ) from None
    kind = ProviderKind(provider.kind)
    return Endpoint(
        provider.id, provider.version, kind, provider.base_url or kind.base_url, provider.timeout_seconds, key
    )


def place_of(provider: Provider) -> str:
    """Return what the provider's key is sealed for."""
    return f"provider {provider.team_id} {provider.pk}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
