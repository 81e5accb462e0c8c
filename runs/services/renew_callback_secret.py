"""Give a team a new signing secret."""

from datetime import timedelta

from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.standard_webhooks import secret_text
from agentops.common.transactions import transaction
from runs.models import CallbackSecret
from runs.services.callback_keys import key_of, new_secret

OVERLAP = timedelta(hours=24)


def renew_callback_secret(*, actor: Actor) -> tuple[CallbackSecret, str]:
    """Return the team's new signing secret and its text (`whsec_…`), which cannot be read again later.

    For 24 hours callbacks are signed with the secret before it as well, so that receivers can change over.

    Raises: NotAllowedError without the scope `admin`.
    Locks: the team's row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        Team.objects.select_for_update(no_key=True).get(id=actor.team_id)
        current = CallbackSecret.objects.filter(team_id=actor.team_id, expires_at__isnull=True)
        current.update(expires_at=Now() + OVERLAP)
        secret = new_secret(actor.team_id, actor.name)
        secret.save(force_insert=True)
        record(actor=actor, action="callback_secret.renew", subject=f"team:{actor.team_id}")
    return secret, secret_text(key_of(secret))
