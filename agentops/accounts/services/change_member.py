"""Change what a member may do, or take them out of the team; one admin always stays."""

from django.db.models.functions import Now

from agentops.accounts.models import ApiToken, Membership
from agentops.accounts.roles import Actor, Role, Scope
from agentops.accounts.services.create_sign_in_link import create_sign_in_link
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import ConflictError, IllegalMoveError, InvalidInputError, NotFoundError
from agentops.common.transactions import transaction


def change_role(*, actor: Actor, user_id: int, role: str) -> Membership:
    """Return the member with the new role. It counts from their next request on, for their tokens too.

    Raises: NotAllowedError; InvalidInputError for no such role; NotFoundError; ConflictError when no admin would be left.
    Locks: the memberships of the team's admins and of the person, in order. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    if role not in set(Role):
        raise InvalidInputError(f"a role is one of {', '.join(Role)}")
    with transaction():
        membership = _locked(actor, user_id, leaves_admins=role != Role.ADMIN)
        was, membership.role = membership.role, role
        membership.save(update_fields=["role"])
        _tell(actor, membership, "member.role", {"role": role, "was": was})
    return membership


def remove_member(*, actor: Actor, user_id: int) -> None:
    """Take the person out of the team: they see nothing of it any more, and their tokens for it stop working.

    Their account, and what they did, stay.

    Raises: NotAllowedError; NotFoundError; ConflictError when no admin would be left.
    Locks: as change_role. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        membership = _locked(actor, user_id, leaves_admins=True)
        tokens = ApiToken.objects.filter(team_id=actor.team_id, user_id=user_id, revoked_at__isnull=True)
        n_revoked = tokens.update(revoked_at=Now())
        _tell(actor, membership, "member.remove", {"tokens_revoked": n_revoked})
        membership.delete()


def renew_sign_in_link(*, actor: Actor, user_id: int) -> str:
    """Return the path of a fresh link for a member who has never signed in; they are in no other team.

    Raises: NotAllowedError; NotFoundError; IllegalMoveError for anybody else, who has to sign in as always: an admin of one
        team must not be able to come in as somebody of another.
    Locks: as change_role. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        membership = _locked(actor, user_id, leaves_admins=False)
        user = membership.user
        if user.last_login is not None or Membership.objects.filter(user=user).count() > 1:
            raise IllegalMoveError(
                f"{user} has signed in before: they sign in as always, or set a new password"
            )
        _tell(actor, membership, "member.link", {})
        return create_sign_in_link(user=user)


def _locked(actor: Actor, user_id: int, *, leaves_admins: bool) -> Membership:
    rows = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(team_id=actor.team_id)
    )
    admins = {row.user_id for row in rows.filter(role=Role.ADMIN).order_by("pk")}
    found = rows.filter(user_id=user_id).first()
    if found is None:
        raise NotFoundError("there is no such member of this team")
    if leaves_admins and admins == {user_id}:
        raise ConflictError(f"{found.user} is the only admin of this team; make somebody else one first")
    return found


def _tell(actor: Actor, membership: Membership, action: str, detail: dict[str, object]) -> None:
    sensitive_action.send(
        _tell, actor=actor, action=action, subject=f"user:{membership.user_id}",
        detail={"name": membership.user.get_username(), **detail},
    )  # fmt: skip
