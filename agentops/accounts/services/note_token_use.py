from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import ApiToken


def note_token_use(*, token_id: UUID) -> None:
    """Remember that a token was used; written at most once a minute, so that calls do not queue for its row."""
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - timedelta(minutes=1))
    ApiToken.objects.filter(stale, id=token_id).update(last_used_at=Now())
