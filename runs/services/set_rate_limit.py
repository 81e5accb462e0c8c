"""Say how many requests and tokens a minute a model may be asked for."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from runs.selectors.providers import provider_for
from runs.selectors.rate_limits import RateLimit, rate_limit_for
from runs.services.checks import misfit
from runs.services.update_provider import update_provider

COLUMNS = {"requests_per_minute": "rpm", "tokens_per_minute": "tpm"}


def set_rate_limit(
    *, actor: Actor, slug: str, model: str, changes: dict[str, Any], version: int | None = None, is_new: bool = False
) -> RateLimit:  # fmt: skip
    """Return the model's limits with what `changes` names: requests_per_minute, tokens_per_minute; None takes one off.

    They count from the next request on. A model that the provider's catalog does not name is added to it when `is_new`.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when the provider has another
        version, or the model has limits already although `is_new`.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    provider = provider_for(actor, slug)
    if not is_new:
        rate_limit_for(actor, slug, model)
    said = next((one for one in provider.catalog if one["name"] == model), {"name": model})
    if is_new and (said.get("rpm") or said.get("tpm")):
        raise ConflictError(
            f"{slug}/{model} has limits already; change them with PATCH", version=provider.version
        )
    columns = _checked(changes)
    models = [one | columns if one["name"] == model else one for one in provider.catalog]
    models += [said | columns] if said not in provider.catalog else []
    update_provider(actor=actor, slug=slug, changes={"models": models}, version=version or provider.version)
    return rate_limit_for(actor, slug, model)


def _checked(changes: dict[str, Any]) -> dict[str, int]:
    for name, value in changes.items():
        if value is not None and value < 1:
            raise misfit(f"/{name}", "must be 1 or more; null takes the limit off")
    return {COLUMNS[name]: value or 0 for name, value in changes.items()}
