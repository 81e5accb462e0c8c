from django.db.models.functions import Now

from agentops.accounts.credentials import secret_hash
from agentops.accounts.models import SignInLink, User


def use_sign_in_link(*, secret: str) -> User | None:
    """Use up the link and return whom it signs in; None when it is unknown, used, too old, or its person is gone.

    One conditional UPDATE on the link's own columns: of two that come at once, one gets the person. (A condition
    over a join would become a subquery, which PostgreSQL does not look at again after waiting for the row.)
    """
    usable = SignInLink.objects.filter(
        secret_hash=secret_hash(secret),
        used_at__isnull=True,
        expires_at__gt=Now(),
        user__in=User.objects.filter(is_active=True),
    )
    if not usable.update(used_at=Now()):
        return None
    return SignInLink.objects.select_related("user").get(secret_hash=secret_hash(secret)).user
