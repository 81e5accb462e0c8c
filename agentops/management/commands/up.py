"""Starts the whole product and keeps it running: what ``make up`` calls."""

import os
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.common.env import TAKEN_FROM_HOME, home
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.home import Home
from agentops.embedded.launcher import launch
from agentops.embedded.product import ProductPlan


class Command(BaseCommand):
    """The command `up`."""

    help = "Start servers, web, workers and clock; stop them all with Ctrl-C."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Runs until it is told to stop."""
        given = {name: value for name, value in os.environ.items() if name not in TAKEN_FROM_HOME}
        place = Home(home().resolve())
        try:
            with closing(ProductPlan(place, given)) as product:
                launch(place, product.build, self._say)
        except EmbeddedError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            # The terminal is gone; what must be stopped is stopped all the same.
            return
