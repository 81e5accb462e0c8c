"""Who appears in the tests: two teams that must never see each other.

Ada is admin of team Analytical; Cyd is a viewer there and an operator of team Brook; Bea is admin of team Brook.
"""

from dataclasses import dataclass

from agentops.accounts.models import Membership, Team, User
from agentops.accounts.roles import Actor, Role
from agentops.accounts.selectors import actor_of_user
from agentops.accounts.services.add_member import add_member
from agentops.accounts.services.create_token import create_token
from runs.services.register_programs import register_programs


@dataclass(frozen=True, slots=True)
class World:
    """Both teams and their people."""

    analytical: Team
    brook: Team
    ada: User
    bea: User
    cyd: User


def build_world() -> World:
    ada = member("analytical", "Analytical", "ada", Role.ADMIN)
    bea = member("brook", "Brook", "bea", Role.ADMIN)
    cyd = member("analytical", "Analytical", "cyd", Role.VIEWER)
    member("brook", "Brook", "cyd", Role.OPERATOR)
    for team in (ada.team, bea.team):
        register_programs(team_id=team.pk)
    return World(ada.team, bea.team, ada.user, bea.user, cyd.user)


def member(slug: str, name: str, username: str, role: Role) -> Membership:
    return add_member(
        team_slug=slug, team_name=name, username=username, email=f"{username}@example.org", role=role
    )


def actor(user: User, team: Team | None = None) -> Actor:
    """Return the person as they act in the team (their first one by default)."""
    found = actor_of_user(user, team.pk if team else None)
    assert found
    return found


def token(
    user: User, team: Team, *, scopes: tuple[str, ...] | None = None, valid_seconds: int | None = None
) -> str:
    """Return the secret of a new token, with all scopes of the person's role unless told otherwise."""
    membership = Membership.objects.get(user=user, team=team)
    given = scopes or tuple(str(scope) for scope in actor(user, team).scopes)
    return create_token(membership=membership, name="test", scopes=given, valid_seconds=valid_seconds)[1]
