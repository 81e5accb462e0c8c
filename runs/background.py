"""A background thread that sends hints, so that no request and no step ever waits for Redis.

Hints are coalesced by key: many in a short time become one. Losing one costs latency, never a run (DESIGN 2).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)


class Coalescer(Generic[K]):
    """Calls `send(key)` soon after `add(key)`, in another thread, at most once per `gap_seconds` and key."""

    def __init__(self, name: str, send: Callable[[K], None], *, gap_seconds: float) -> None:
        self._name, self._send, self._gap_seconds = name, send, gap_seconds
        self._thread: threading.Thread | None = None
        self._start_over()

    def add(self, key: K) -> None:
        """Never raises, never blocks."""
        if self._pid != os.getpid():
            self._start_over()
        with self._changed:
            self._wanted.setdefault(key, None)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _start_over(self) -> None:
        """A thread does not survive a fork; neither does what it had to do."""
        self._pid = os.getpid()
        self._wanted: dict[K, None] = {}
        self._sent: dict[K, float] = {}
        self._changed = threading.Condition()
        self._thread = None

    def _loop(self) -> None:
        while True:
            for key in self._due():
                try:
                    self._send(key)
                except Exception as error:  # noqa: BLE001 -- a hint may be lost, the thread may not
                    logger.warning("%s: hint for %s not sent: %s", self._name, key, error)

    def _due(self) -> list[K]:
        """Wait for keys whose gap is over, and take them."""
        with self._changed:
            while not self._wanted:
                self._changed.wait()
            now = time.monotonic()
            self._sent = {key: at for key, at in self._sent.items() if now - at < self._gap_seconds}
            due = [key for key in self._wanted if key not in self._sent]
            if not due:
                self._changed.wait(self._gap_seconds / 4)
            for key in due:
                del self._wanted[key]
                self._sent[key] = now
            return due
