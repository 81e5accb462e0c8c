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
from agentops.demo.rehearsal.wire import MODELS
from runs.selectors.providers import providers_for
from runs.services.create_provider import create_provider
from runs.services.register_programs import register_programs
from runs.services.start_run import start_run
from runs.services.update_provider import update_provider

TOKEN_NAME = "make up"  # noqa: S105 -- what people call it, no secret
REHEARSAL = "rehearsal"
_REHEARSAL_MODELS = [
    {"name": name, "context_tokens": 32_000, "in_microusd_per_mtok": 0, "out_microusd_per_mtok": 0}
    for name in MODELS
]
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
    if settings.REHEARSAL_URL:
        _offer_rehearsal_model(actor)
    if settings.DEMO_SITE_URL and not is_bare:
        _start_first_run(actor)
    return Bootstrapped(
        login_url_path=create_sign_in_link(user=membership.user), token=_new_token(actor, membership)
    )


def _offer_rehearsal_model(actor: Actor) -> None:
    """Let the demo agents have a model to speak with, and find it where it is now; a default of the team's own stays."""
    found = next((it for it in providers_for(actor) if it.slug == REHEARSAL), None)
    if found is None:
        create_provider(
            actor=actor, slug=REHEARSAL, kind="compatible", base_url=settings.REHEARSAL_URL, models=_REHEARSAL_MODELS,
            timeout_seconds=30.0,
        )  # fmt: skip
    elif found.base_url != settings.REHEARSAL_URL:
        update_provider(actor=actor, slug=REHEARSAL, changes={"base_url": settings.REHEARSAL_URL})


def _start_first_run(actor: Actor) -> None:
    # Another release may have started its first run with other words; one is enough.
    with contextlib.suppress(IdempotencyConflictError):
        start_run(
            actor=actor, agent="site-research", input={"ask_first": True}, idempotency_key=FIRST_RUN_KEY
        )


def _new_token(actor: Actor, membership: Membership) -> str:
    former = ApiToken.objects.filter(team_id=actor.team_id, name=TOKEN_NAME, revoked_at__isnull=True)
    for token_id in former.values_list("id", flat=True):
        revoke_token(actor=actor, token_id=token_id)
    _, secret = create_token(membership=membership, name=TOKEN_NAME, scopes=[scope.value for scope in Scope])
    return secret
