from datetime import timedelta

from django.db.models.functions import Now

from agentops.accounts.credentials import new_secret, secret_hash
from agentops.accounts.models import SignInLink, User

VALID_SECONDS = 24 * 3600


def create_sign_in_link(*, user: User, valid_seconds: int = VALID_SECONDS) -> str:
    """Return the path of a page that signs `user` in once, within `valid_seconds`."""
    secret = new_secret()
    SignInLink.objects.create(
        user=user, secret_hash=secret_hash(secret), expires_at=Now() + timedelta(seconds=valid_seconds)
    )
    return f"/sign-in/{secret}"
