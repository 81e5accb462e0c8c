"""Entries for what happens below the kernel: signing in, failing to, tokens, members."""

from typing import Any
from uuid import UUID

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest

from agentops.accounts.models import Membership, User
from agentops.accounts.roles import Actor
from agentops.accounts.signals import sensitive_action
from agentops.audit.services.record import record, record_of_product
from agentops.common.canonical import clean_json
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject

MAX_NAME_CHARACTERS = 150


@receiver(sensitive_action)
def _done(*, actor: Actor, action: str, subject: str, detail: JsonObject, **_: Any) -> None:
    record(actor=actor, action=action, subject=subject, detail=detail)


@receiver(user_logged_in)
def _signed_in(*, request: HttpRequest | None, user: User, **_: Any) -> None:
    _tell_teams(user, "session.begin", user.get_username(), request)


@receiver(user_login_failed)
def _failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    given = str(credentials.get("username") or credentials.get("email") or credentials.get("login") or "")
    name = str(clean_json(given))[:MAX_NAME_CHARACTERS]
    user = User.objects.filter(Q(username=name) | Q(email__iexact=name)).first() if name else None
    _tell_teams(user, "session.refuse", name, request)


def _tell_teams(user: User | None, action: str, name: str, request: HttpRequest | None) -> None:
    """Add an entry to the audit of each of the person's teams; to the installation's for a name that is nobody's."""
    teams: list[UUID | None] = (
        list(Membership.objects.filter(user=user).values_list("team_id", flat=True)) if user else []
    )
    detail: JsonObject = {"address": request.META.get("REMOTE_ADDR", "") if request else ""}
    with transaction():
        for team_id in teams or [None]:
            record_of_product(
                team_id=team_id,
                by=name or "a visitor",
                action=action,
                subject=f"person:{name}",
                detail=detail,
            )
