"""Who calls the API: a token of a team, or the person of the session, whose writes need the CSRF token."""

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie
from ninja.utils import check_csrf

from agentops.accounts.middleware import actor_of
from agentops.accounts.models import User
from agentops.accounts.roles import Actor
from agentops.accounts.selectors import actor_of_secret
from agentops.accounts.services.note_token_use import note_token_use
from agentops.common.errors import NotAllowedError, NotAuthenticatedError


class CsrfFailedError(NotAllowedError):
    code, title = "csrf_failed", "The CSRF token is missing or wrong"


class TokenAuth(HttpBearer):
    """`Authorization: Bearer ao_…`. A token that is sent and wrong is refused, whatever the session says."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        """Return the owner acting through the token.

        Raises: NotAuthenticatedError
        """
        actor = actor_of_secret(token)
        if actor is None or actor.token_id is None:
            raise NotAuthenticatedError(
                "this token is unknown, revoked or expired, or its owner has left the team; "
                "make a new one with `manage.py create_token`",
                invalid_token=True,
            )
        note_token_use(token_id=actor.token_id)
        return actor


class SessionAuth(APIKeyCookie):
    """The session cookie of a person who is signed in; unsafe methods need the CSRF token as well."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Actor | None:
        if not isinstance(request.user, User):
            return None
        if check_csrf(request) is not None:
            raise CsrfFailedError(
                "send the value of the cookie csrftoken in the header X-CSRFToken, or use a token"
            )
        return actor_of(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        return self(request)
