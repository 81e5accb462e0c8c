"""Ask a provider whether it is there and knows us."""

from dataclasses import dataclass, field, replace
from time import monotonic

from agentops.accounts.roles import Actor, Scope
from runs.engine.errors import ToolError
from runs.llm.book import endpoint_of
from runs.llm.errors import ModelError
from runs.models import Provider
from runs.selectors.providers import provider_for

PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """What came of asking for the list of models, which costs nothing. `missing` are those of the catalog not on it."""

    is_well: bool
    message: str
    elapsed_ms: int
    models: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def check_provider(*, actor: Actor, slug: str) -> ProviderCheck:
    """Return whether the provider answers and takes our key. Nothing is stored.

    Raises: NotAllowedError; NotFoundError. Transaction: none; the network is waited for.
    """
    actor.require(Scope.ADMIN)
    from runs.llm import clients  # seconds to load, and nobody else here needs it

    provider = Provider.objects.get(pk=provider_for(actor, slug).pk)
    began = monotonic()
    try:
        endpoint = endpoint_of(provider)
        patient = replace(endpoint, timeout_seconds=min(endpoint.timeout_seconds, PATIENCE_SECONDS))
        models = clients.models_of(patient)
    except (ModelError, ToolError) as error:
        return ProviderCheck(is_well=False, message=str(error), elapsed_ms=_since(began))
    wanted = [str(model["name"]) for model in provider.catalog]
    missing = [name for name in wanted if name not in models] if models else []
    message = f"it answers and lists {len(models)} models" if models else "it answers and takes the key"
    if missing:
        message += f", but not {', '.join(missing)}"
    return ProviderCheck(
        is_well=not missing, message=message, elapsed_ms=_since(began), models=models, missing=missing
    )


def _since(began: float) -> int:
    return round((monotonic() - began) * 1000)
