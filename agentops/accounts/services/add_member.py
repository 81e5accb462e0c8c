from agentops.accounts.models import Membership, Team, User
from agentops.accounts.roles import Role
from agentops.common.transactions import transaction


def add_member(*, team_slug: str, team_name: str, username: str, email: str, role: Role) -> Membership:
    """Return the person's membership of the team; team and person are made where they do not exist yet.

    For set-up from the command line: who may call it is whoever may run commands on the server. A person who is
    already a member gets the role. Transaction: opens one.
    """
    with transaction():
        team, _ = Team.objects.get_or_create(slug=team_slug, defaults={"name": team_name})
        user = User.objects.filter(username=username).first()
        if user is None:
            user = User.objects.create_user(username=username, email=email)
        membership, _ = Membership.objects.update_or_create(
            team=team, user=user, defaults={"role": role.value}
        )
    return membership
