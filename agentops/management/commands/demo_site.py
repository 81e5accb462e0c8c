"""`manage.py demo_site`: the site that the demo agents read."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentops.demo.site.server import DemoSite


class Command(BaseCommand):
    help = (
        "Serve the demo site on this machine: the reference of the installed Python, with faults on demand."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
        parser.add_argument(
            "--ledger", type=Path, help="a file that keeps every request, and the published reports"
        )

    def handle(self, *, port: int, ledger: Path | None, **_: Any) -> None:
        # The pages show default arguments as they are, and for some functions that is the environment.
        os.environ.clear()
        try:
            site = DemoSite(port, ledger=ledger)
        except OSError as error:
            raise CommandError(f"cannot serve on 127.0.0.1:{port}: {error.strerror}") from error
        for name in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop that this very thread runs, so another thread asks for it.
            signal.signal(name, lambda *_: threading.Thread(target=site.shutdown).start())
        self.stdout.write(f"demo site: {site.url}/")
        self.stdout.flush()
        with site:
            site.serve_forever(poll_interval=0.2)
