"""What a fresh installation needs before anybody can sign in, and what makes its first page alive."""

import contextlib
from dataclasses import dataclass

from django.conf import settings

from agentops.accounts.models import ApiToken, Membership
from agentops.accounts.roles import Actor, Role, Scope
from agentops.accounts.selectors import actor_of_user
from agentops.accounts.services.add_member import add_member
from agentops.accounts.services.create_sign_in_link import create_sign_in_link
from agentops.accounts.services.create_token import create_token
from agentops.accounts.services.revoke_token import revoke_token
from agentops.common.errors import IdempotencyConflictError
from runs.services.register_programs import register_programs
from runs.services.start_run import start_run

TOKEN_NAME = "make up"  # noqa: S105 -- what people call it, no secret
FIRST_RUN_KEY = "bootstrap: first run"


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """A path that signs the admin in, once, and the secret of a new API token of theirs."""

    login_url_path: str
    token: str


def bootstrap(*, is_bare: bool = False) -> Bootstrapped:
    """Return a way in for the admin of the demo team; team, admin and agents are made where they are missing.

    The tokens of earlier calls stop working, since only their hashes are kept. The first call also starts a
    `site-research` run over the demo site; `is_bare` leaves that out. Transaction: one a part, each repeatable.
    """
    membership = add_member(
        team_slug="demo", team_name="Demo", username="demo", email="demo@example.com", role=Role.ADMIN
    )
    actor = actor_of_user(membership.user, membership.team_id)
    assert actor, "a member can act"
    register_programs(team_id=membership.team_id)
    if settings.DEMO_SITE_URL and not is_bare:
        _start_first_run(actor)
    return Bootstrapped(
        login_url_path=create_sign_in_link(user=membership.user), token=_new_token(actor, membership)
    )


def _start_first_run(actor: Actor) -> None:
    # Another release may have started its first run with other words; one is enough.
    with contextlib.suppress(IdempotencyConflictError):
        start_run(actor=actor, agent="site-research", input={}, idempotency_key=FIRST_RUN_KEY)


def _new_token(actor: Actor, membership: Membership) -> str:
    former = ApiToken.objects.filter(team_id=actor.team_id, name=TOKEN_NAME, revoked_at__isnull=True)
    for token_id in former.values_list("id", flat=True):
        revoke_token(actor=actor, token_id=token_id)
    _, secret = create_token(membership=membership, name=TOKEN_NAME, scopes=[scope.value for scope in Scope])
    return secret
