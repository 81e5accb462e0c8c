"""The actor behind a session or a token: always one person in one team, with what their role allows now."""

from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from agentops.accounts.credentials import secret_hash
from agentops.accounts.models import ApiToken, Membership, User
from agentops.accounts.roles import ROLE_SCOPES, Actor, Role, Scope


def memberships_of(user: User) -> list[Membership]:
    """Return the teams of a person, by name."""
    return list(Membership.objects.filter(user=user).select_related("team").order_by("team__name", "id"))


def actor_of_user(user: User, team_id: UUID | None = None) -> Actor | None:
    """Return the person as a member of `team_id`, else of their first team; None when they are in no team."""
    found = Membership.objects.filter(user=user).order_by("id")
    membership = found.filter(team_id=team_id).first() if team_id else None
    membership = membership or found.first()
    if membership is None:
        return None
    return Actor(
        team_id=membership.team_id,
        user_id=user.pk,
        name=user.get_username(),
        scopes=ROLE_SCOPES[Role(membership.role)],
    )


def token_of_secret(secret: str) -> ApiToken | None:
    """Return the valid token with this secret and its owner; None when unknown, revoked, expired or ownerless.

    The owner must be active and still a member of the token's team; `owner_role` holds their role.
    """
    found = ApiToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
        secret_hash=secret_hash(secret),
        revoked_at__isnull=True,
        user__is_active=True,
        user__memberships__team_id=F("team_id"),
    )
    return found.select_related("user").annotate(owner_role=F("user__memberships__role")).first()


def actor_of_token(token: ApiToken, owner_role: str) -> Actor:
    """Return the owner acting through the token, with the scopes that both the token and the role give."""
    granted = frozenset(Scope(scope) for scope in token.scopes if scope in set(Scope))
    return Actor(
        team_id=token.team_id,
        user_id=token.user_id,
        name=f"{token.user.get_username()} (token {token.name})",
        scopes=granted & ROLE_SCOPES[Role(owner_role)],
        token_id=token.id,
    )
