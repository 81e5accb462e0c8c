"""The keys with which a team's callbacks are signed. They are derived, never stored."""

import hmac
import secrets
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.transactions import transaction
from runs.models import CallbackSecret

MAX_SIGNATURES = 5


def signing_keys(team_id: UUID) -> list[bytes]:
    """Return the team's keys that are in force, the current one first; the first call makes it."""
    usable = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    found = list(CallbackSecret.objects.filter(usable, team_id=team_id).order_by("-created_at", "-id"))
    if not any(secret.expires_at is None for secret in found):
        found.insert(0, _first(team_id))
    return [key_of(secret) for secret in found[:MAX_SIGNATURES]]


def new_secret(team_id: UUID, created_by: str) -> CallbackSecret:
    """Return a new current secret, unsaved."""
    return CallbackSecret(team_id=team_id, salt=secrets.token_bytes(32), created_by=created_by[:200])


def key_of(secret: CallbackSecret) -> bytes:
    """Return the 32 bytes of the key: a code over the team and the salt under the installation's key."""
    content = b"".join((b"callback secret", secret.team_id.bytes, bytes(secret.salt)))
    return hmac.digest(settings.INTEGRITY_KEY.encode(), content, "sha256")


def _first(team_id: UUID) -> CallbackSecret:
    """Return the current secret of a team that had none: ours, or that of whoever was faster."""
    with transaction():
        Team.objects.select_for_update(no_key=True).get(id=team_id)
        found = CallbackSecret.objects.filter(team_id=team_id, expires_at__isnull=True).first()
        if found is None:
            found = new_secret(team_id, "")
            found.save(force_insert=True)
    return found
