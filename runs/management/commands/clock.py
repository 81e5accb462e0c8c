import logging
import signal
import threading
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, connection

from agentops.common.conf import conf
from runs.services.callback_sender import CallbackSender
from runs.services.keeper import Keeper
from runs.services.source_reader import SourceReader
from runs.services.tick import Clock

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Run the clock: timers, sweeps, tickets, callbacks, sources and retention. Any number of copies may run."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        with CallbackSender(), SourceReader(), Keeper():
            self._go_round(stopping)

    def _go_round(self, stopping: threading.Event) -> None:
        clock = Clock()
        while not stopping.wait(conf().clock_tick_seconds):
            try:
                clock.tick()
            except (Error, psycopg.Error) as error:
                logger.warning("tick failed, trying again: %s", str(error).strip())
                connection.close()
                stopping.wait(1.0)
