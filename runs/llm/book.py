"""Which provider and model a reference means, with the key that opens it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from agentops.common.sealing import unseal
from agentops.common.types import JsonObject
from runs.engine.errors import ToolError
from runs.engine.gates import Limits
from runs.engine.providers import ProviderKind, split_model
from runs.journal.fence import persist, query
from runs.llm.request import Endpoint
from runs.models import Provider

_PROVIDERS = (
    "SELECT id, slug, kind, base_url, secret, catalog::text, timeout_seconds, is_paused, version FROM runs_provider"
    " WHERE team_id = %(team_id)s ORDER BY is_default DESC, slug"
)


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


def providers_of(team_id: UUID) -> list[Provider]:
    """Return the team's providers, the default one first. One prepared statement: it is asked before each request."""
    rows = persist(lambda: query(_PROVIDERS, {"team_id": team_id}))
    return [
        Provider(
            id=row[0], team_id=team_id, slug=row[1], kind=row[2], base_url=row[3], secret=row[4],
            catalog=orjson.loads(row[5]), timeout_seconds=row[6], is_paused=row[7], version=row[8],
        )
        for row in rows
    ]  # fmt: skip


def offer_of(providers: Sequence[Provider], reference: str) -> Offer:
    """Return the model that `provider/model` means; either may be left out for the team's default.

    Raises: ToolError saying what there is.
    """
    slug, model = split_model(reference)
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
