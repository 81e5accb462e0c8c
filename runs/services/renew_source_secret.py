"""Give a source another secret."""

from django.db.models import F

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.models import Source
from runs.selectors.sources import source_for
from runs.services.create_source import put_secret
from runs.services.update_source import changed


def renew_source_secret(*, actor: Actor, slug: str, secret: str = "") -> tuple[Source, str]:
    """Return the source and its new secret, which cannot be read again later; the one before it is void at once.

    `secret` is the one that the other side gave; a webhook without it gets a new one.

    Raises: NotAllowedError; NotFoundError; InvalidInputError; ConflictError when somebody else changed it just now.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    source = source_for(actor, slug)
    text = put_secret(source, secret)
    found = Source.objects.filter(pk=source.pk, version=source.version)
    with transaction():
        if not found.update(secret=source.secret, version=F("version") + 1):
            raise changed(source_for(actor, slug))
        record(actor=actor, action="source.renew_secret", subject=f"source:{slug}")
    return source_for(actor, slug), text
