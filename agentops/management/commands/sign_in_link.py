"""`manage.py sign_in_link USER`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.accounts.selectors import user_named
from agentops.accounts.services.create_sign_in_link import VALID_SECONDS, create_sign_in_link
from agentops.common.errors import AgentOpsError


class Command(BaseCommand):
    help = "Print the path of a page that signs a person in, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="user name or e-mail address")
        parser.add_argument("--seconds", type=int, default=VALID_SECONDS, help="how long it works")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = user_named(options["user"])
        except AgentOpsError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(create_sign_in_link(user=user, valid_seconds=options["seconds"]))
