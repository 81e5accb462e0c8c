"""The actor behind a session or a token: always one person in one team, with what their role allows now."""

from dataclasses import replace
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from agentops.accounts.credentials import secret_hash
from agentops.accounts.models import ApiToken, Membership, User
from agentops.accounts.roles import ROLE_SCOPES, Actor, Role, Scope
from agentops.common.errors import NotFoundError

MAX_TOKENS = 500


def memberships_of(user: User) -> list[Membership]:
    """Return the teams of a person, by name."""
    return list(
        Membership.objects.filter(user=user).select_related("team", "user").order_by("team__name", "id")
    )


def membership_for(actor: Actor, team_id: UUID | None) -> Membership:
    """Return the actor's own membership of a team.

    Raises: NotFoundError, also for teams that exist but are not theirs.
    """
    found = Membership.objects.filter(user_id__in=[actor.user_id], team_id__in=[team_id]).first()
    if found is None:
        raise NotFoundError("you are not a member of such a team")
    return found


def members_for(actor: Actor) -> list[Membership]:
    """Return the members of the actor's team, by name. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    found = Membership.objects.filter(team_id=actor.team_id).select_related("user")
    return list(found.order_by("user__username", "id"))


def tokens_for(actor: Actor) -> list[ApiToken]:
    """Return the tokens of the team that were not revoked, newest first, bearing `is_expired`: all for an admin, else one's own.

    Raises: NotAllowedError.
    """
    actor.require(Scope.READ)
    found = ApiToken.objects.filter(team_id=actor.team_id, revoked_at__isnull=True).select_related("user")
    if not actor.can(Scope.ADMIN):
        found = found.filter(user_id__in=[actor.user_id])
    return list(
        found.annotate(is_expired=Q(expires_at__lte=Now())).order_by("-created_at", "id")[:MAX_TOKENS]
    )


def user_named(name: str) -> User:
    """Return the active person with this user name or e-mail address, for commands on the server.

    An empty name means the only person there is.

    Raises: NotFoundError
    """
    people = User.objects.filter(is_active=True)
    found = people.filter(Q(username=name) | Q(email__iexact=name)) if name else people
    if len(found[:2]) != 1:
        known = ", ".join(people.order_by("id").values_list("username", flat=True)[:10]) or "nobody yet"
        raise NotFoundError(f"name a person with their user name or e-mail address: {known}")
    return found[0]


def membership_named(name: str, team_slug: str = "") -> Membership:
    """Return the membership of the person in the team, or their only one, for commands on the server.

    Raises: NotFoundError
    """
    found = memberships_of(user_named(name))
    fitting = [membership for membership in found if team_slug in {"", membership.team.slug}]
    if len(fitting) != 1:
        teams = ", ".join(membership.team.slug for membership in found) or "none"
        raise NotFoundError(f"name one team of the person's with --team: {teams}")
    return fitting[0]


def actor_named(name: str, team_slug: str = "") -> Actor:
    """Return the person acting in the team, for commands on the server; see membership_named.

    Raises: NotFoundError
    """
    membership = membership_named(name, team_slug)
    actor = actor_of_user(membership.user, membership.team_id)
    assert actor, "a membership makes an actor"
    return actor


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


def actor_of_secret(secret: str) -> Actor | None:
    """Return the owner of the token with this secret, with the scopes that both the token and their role give now.

    None when the token is unknown, revoked or expired, or its owner is no longer active or in its team.
    """
    return _actor_of_token(Q(secret_hash=secret_hash(secret)))


def actor_again(actor: Actor) -> Actor | None:
    """Return the actor with what they may do in their team now; None when their token, account or membership is gone."""
    if actor.token_id is not None:
        return _actor_of_token(Q(id=actor.token_id))
    if actor.user_id is None:
        return None
    found = Membership.objects.filter(team_id=actor.team_id, user_id=actor.user_id, user__is_active=True)
    membership = found.first()
    return replace(actor, scopes=ROLE_SCOPES[Role(membership.role)]) if membership else None


def _actor_of_token(condition: Q) -> Actor | None:
    found = ApiToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
        condition,
        revoked_at__isnull=True,
        user__is_active=True,
        user__memberships__team_id=F("team_id"),
    )
    token = found.select_related("user").annotate(owner_role=F("user__memberships__role")).first()
    if token is None:
        return None
    granted = frozenset(Scope(scope) for scope in token.scopes if scope in set(Scope))
    return Actor(
        team_id=token.team_id,
        user_id=token.user_id,
        name=f"{token.user.get_username()} (token {token.name})",
        scopes=granted & ROLE_SCOPES[Role(token.owner_role)],
        token_id=token.id,
    )
