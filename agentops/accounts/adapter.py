from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-in rules of the console: people are invited, they do not sign themselves up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
