"""Delete a provider."""

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.models import Provider
from runs.selectors.providers import provider_for
from runs.services.update_provider import changed


def delete_provider(*, actor: Actor, slug: str, version: int | None = None) -> None:
    """Delete the provider with its key; what was answered stays. Runs that name it fail over, or fail.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than the actor saw.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    provider = provider_for(actor, slug)
    found = Provider.objects.filter(pk=provider.pk)
    with transaction():
        if not found.filter(version=provider.version if version is None else version).delete()[0]:
            raise changed(provider_for(actor, slug))
        record(actor=actor, action="provider.delete", subject=f"provider:{slug}")
