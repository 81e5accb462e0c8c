from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.models import ApiToken
from agentops.accounts.roles import Actor, Scope
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import NotFoundError
from agentops.common.transactions import transaction


def revoke_token(*, actor: Actor, token_id: UUID) -> None:
    """Make a token of the team stop working at once: an admin any, others their own.

    Raises: NotFoundError when there is no such working token.
    Transaction: opens one.
    """
    found = ApiToken.objects.filter(id=token_id, team_id=actor.team_id, revoked_at__isnull=True)
    if not actor.can(Scope.ADMIN):
        found = found.filter(user_id__in=[actor.user_id])
    with transaction():
        if not found.update(revoked_at=Now()):
            raise NotFoundError("there is no such token, or it is revoked already")
        sensitive_action.send(
            revoke_token, actor=actor, action="token.revoke", subject=f"token:{token_id}", detail={}
        )
