from collections.abc import Collection
from datetime import timedelta

from django.db.models.functions import Now

from agentops.accounts.credentials import SHOWN_CHARACTERS, TOKEN_PREFIX, new_secret, secret_hash
from agentops.accounts.models import ApiToken, Membership
from agentops.accounts.roles import ROLE_SCOPES, Actor, Role, Scope
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import InvalidInputError
from agentops.common.transactions import transaction


def create_token(
    *, membership: Membership, name: str, scopes: Collection[str], valid_seconds: int | None = None
) -> tuple[ApiToken, str]:
    """Return a new token for the member's team and its secret, which cannot be read again later.

    Args:
        membership: whose token, in which team.
        name: what people call it.
        scopes: what it may do; at each use it is cut to what the member's role gives then.
        valid_seconds: how long it works; for ever when None.

    Raises: InvalidInputError for scopes that do not exist or that the role does not give.
    Transaction: opens one.
    """
    allowed = {scope.value for scope in ROLE_SCOPES[Role(membership.role)]}
    refused = sorted(set(scopes) - allowed)
    if refused or not scopes:
        raise InvalidInputError(
            f"a {membership.role} cannot give {', '.join(refused) or 'no scope at all'}; "
            f"choose from {', '.join(scope for scope in Scope if scope in allowed)}"
        )
    secret = new_secret(TOKEN_PREFIX)
    with transaction():
        token = ApiToken.objects.create(
            team_id=membership.team_id,
            user_id=membership.user_id,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            secret_hash=secret_hash(secret),
            scopes=sorted(scopes),
            expires_at=Now() + timedelta(seconds=valid_seconds) if valid_seconds is not None else None,
        )
        _tell(membership, token)
    return token, secret


def _tell(membership: Membership, token: ApiToken) -> None:
    owner = Actor(membership.team_id, membership.user_id, membership.user.get_username(), frozenset())
    detail = {"name": token.name, "prefix": token.prefix, "scopes": token.scopes}
    sensitive_action.send(
        create_token, actor=owner, action="token.create", subject=f"token:{token.pk}", detail=detail
    )
