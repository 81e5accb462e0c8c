"""`manage.py create_token USER --scopes read run`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.accounts.roles import Scope
from agentops.accounts.selectors import membership_named
from agentops.accounts.services.create_token import create_token
from agentops.common.errors import AgentOpsError


class Command(BaseCommand):
    help = "Make an API token for a member of a team, and print it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="user name or e-mail address")
        parser.add_argument("--team", default="", help="slug of the team (needed for members of several)")
        parser.add_argument("--name", default="command line", help="what people call the token")
        parser.add_argument("--scopes", nargs="+", default=[Scope.READ.value, Scope.RUN.value])
        parser.add_argument("--days", type=int, help="how long it works; for ever when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        valid_seconds = options["days"] * 86_400 if options["days"] is not None else None
        scopes = [scope for word in options["scopes"] for scope in word.split(",") if scope]
        try:
            membership = membership_named(options["user"], options["team"])
            _, secret = create_token(
                membership=membership, name=options["name"], scopes=scopes, valid_seconds=valid_seconds
            )
        except AgentOpsError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(secret)
