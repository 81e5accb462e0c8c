"""A background thread that sends hints, so that no request and no step ever waits for Redis.

Hints are coalesced by key: many in a short time become one. Losing one costs latency, never a run (DESIGN 2).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)


class Coalescer(Generic[K]):
    """Calls `send(keys)` soon after `add(key)`, in another thread, with each key at most once per `gap_seconds`.

    Sending goes in rounds, `pace_seconds` apart: what is wanted meanwhile goes with the next one, so that a thousand
    short runs a second cost a few rounds. The first hint after a silence goes at once.
    """

    def __init__(
        self, name: str, send: Callable[[list[K]], None], *, gap_seconds: float, pace_seconds: float
    ) -> None:
        self._name, self._send = name, send
        self._gap_seconds, self._pace_seconds = gap_seconds, pace_seconds
        self._thread: threading.Thread | None = None
        self._start_over()

    def add(self, key: K) -> None:
        """Never raises, never blocks."""
        if self._pid != os.getpid():
            self._start_over()
        with self._changed:
            if not self._wanted:
                self._changed.notify()
            self._wanted[key] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()

    def _start_over(self) -> None:
        """A thread does not survive a fork; neither does what it had to do."""
        self._pid = os.getpid()
        self._wanted: dict[K, None] = {}
        self._sent: dict[K, float] = {}
        self._changed = threading.Condition()
        self._thread = None

    def _loop(self) -> None:
        while True:
            due = self._due()
            try:
                if due:
                    self._send(due)
            except Exception as error:  # noqa: BLE001 -- a hint may be lost, the thread may not
                logger.warning("%s: hints for %s not sent: %s", self._name, _some(due), error)
            time.sleep(self._pace_seconds)

    def _due(self) -> list[K]:
        """Wait until something is wanted, and take the keys whose gap is over."""
        with self._changed:
            while not self._wanted:
                self._changed.wait()
            now = time.monotonic()
            self._sent = {key: at for key, at in self._sent.items() if now - at < self._gap_seconds}
            due = [key for key in self._wanted if key not in self._sent]
            for key in due:
                del self._wanted[key]
                self._sent[key] = now
            return due


def _some(keys: Sequence[object]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(map(str, keys[:3])) + more
