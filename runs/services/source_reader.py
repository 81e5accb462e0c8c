"""Looks at sources beside the clock: one thread that finds those that are due, and a few that read."""

import logging
import queue
import threading
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from runs.services.read_source import Look, read_source, take_source

SLOTS = 4
PAUSE_SECONDS = 0.5
STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class SourceReader:
    """Reads the sources that are due; used as a context manager, for as long as it is entered.

    At most SLOTS are read at once, so that slow places hold up neither the clock nor, while a slot is free, others. Any
    number of readers may run. A look that is under way when one stops is taken up by another once its lease is over.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._free = threading.Semaphore(SLOTS)
        self._looks: queue.Queue[Look | None] = queue.Queue()
        self._finder = threading.Thread(target=self._find, name="sources", daemon=True)
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> "SourceReader":
        self._finder.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for _reader in self._readers:
            self._looks.put(None)
        for thread in (self._finder, *self._readers):
            thread.join(STOP_SECONDS / SLOTS)

    def _find(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            self._safely(self._begin_due)
        connection.close()

    def _begin_due(self) -> None:
        """Hand out what is due while somebody is free to read it."""
        while not self._stopping.is_set() and self._free.acquire(blocking=False):
            look = None
            try:
                look = take_source()
            finally:
                if look is None:
                    self._free.release()
            if look is None:
                return
            if len(self._readers) < SLOTS:
                self._readers.append(threading.Thread(target=self._read, name="source", daemon=True))
                self._readers[-1].start()
            self._looks.put(look)

    def _read(self) -> None:
        while look := self._looks.get():
            self._safely(lambda look=look: read_source(look))  # type: ignore[misc]  # bound here, called at once
            self._free.release()
        connection.close()

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (Error, psycopg.Error) as error:
            logger.warning("sources: the database does not answer, trying again: %s", str(error).strip())
            connection.close()
            self._stopping.wait(1.0)
        except Exception:
            logger.exception("sources: a look broke off")
