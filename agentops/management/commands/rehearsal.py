"""`manage.py rehearsal`: the model that is no language model."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentops.demo.rehearsal.server import RehearsalModel


class Command(BaseCommand):
    help = (
        "Serve the rehearsal model on this machine: OpenAI's wire format, scripted answers, faults on demand."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="0 takes a free one")

    def handle(self, *, port: int, **_: Any) -> None:
        try:
            server = RehearsalModel(port)
        except OSError as error:
            raise CommandError(f"cannot serve on 127.0.0.1:{port}: {error.strerror}") from error
        for name in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop that this very thread runs, so another thread asks for it.
            signal.signal(name, lambda *_: threading.Thread(target=server.shutdown).start())
        self.stdout.write(f"rehearsal model, no language model: {server.url}")
        self.stdout.flush()
        with server:
            server.serve_forever(poll_interval=0.2)
