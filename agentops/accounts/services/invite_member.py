"""Take a person into the team."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from agentops.accounts.models import Membership, User
from agentops.accounts.roles import Actor, Role, Scope
from agentops.accounts.services.create_sign_in_link import create_sign_in_link
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import ConflictError, InvalidInputError
from agentops.common.transactions import transaction

NAME_LENGTH = 150


@dataclass(frozen=True, slots=True)
class Invited:
    """Who was taken in; `sign_in_path` is a page that signs a new person in once, empty for somebody known here."""

    membership: Membership
    sign_in_path: str


def invite_member(*, actor: Actor, email: str, name: str = "", role: str) -> Invited:
    """Return the new member, found by their e-mail address or made now.

    A link to sign in is made for new people only: whoever has an account signs in as always, and nobody else may do it for
    them.

    Raises: NotAllowedError; InvalidInputError with pointers; ConflictError for somebody who is a member already.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    address, given = _address(email), _role(role)
    try:
        with transaction():
            user, is_new = _person(address, _name(name, address))
            membership, is_added = Membership.objects.get_or_create(
                team_id=actor.team_id, user=user, defaults={"role": given.value}
            )
            if not is_added:
                raise ConflictError(f"{user} is a member of this team already, as {membership.role}")
            path = create_sign_in_link(user=user) if is_new else ""
            detail = {"name": user.get_username(), "role": given.value, "is_new": is_new}
            sensitive_action.send(
                invite_member, actor=actor, action="member.add", subject=f"user:{user.pk}", detail=detail
            )
    except IntegrityError as error:
        raise _refusal("/name", "somebody has this name already; take another") from error
    return Invited(membership, path)


def _person(address: str, name: str) -> tuple[User, bool]:
    known = User.objects.filter(email__iexact=address).first()
    if known is not None:
        return known, False
    return User.objects.create_user(username=name, email=address), True


def _address(email: str) -> str:
    address = email.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise _refusal("/email", "must be an e-mail address, such as ada@example.org") from error
    return address


def _name(name: str, address: str) -> str:
    found = name.strip() or address.partition("@")[0]
    if len(found) > NAME_LENGTH or not found.isprintable():
        raise _refusal("/name", f"may have at most {NAME_LENGTH} characters, none of them invisible")
    return found


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        raise _refusal("/role", f"must be one of {', '.join(Role)}") from error


def _refusal(pointer: str, told: str) -> InvalidInputError:
    return InvalidInputError(f"{pointer[1:]}: {told}", errors=[{"pointer": pointer, "message": told}])
