"""Sends callbacks beside the clock: one thread that talks to the database, and one for each request under way."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from agentops.common.conf import conf
from runs.services.send_callback import Answered, Taken, note_answer, send_callback, take_callback
from runs.services.tell_ends import tell_ends

MAX_PER_HOST = 2
STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class CallbackSender:
    """Finds ends, and sends what is due; used as a context manager, for as long as it is entered.

    Requests have threads of their own, `callback_slots` at most and MAX_PER_HOST for a host, so that slow receivers
    hold up neither the clock nor other receivers. Any number of senders may run. What is under way when one
    stops for good is sent again by another once its lease is over.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._answers: queue.Queue[tuple[Taken, Answered]] = queue.Queue()
        self._hosts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._loop, name="callbacks", daemon=True)

    def __enter__(self) -> "CallbackSender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS + 1.0)

    def round(self, *, wait_seconds: float) -> None:
        """Find ends, begin what is due, and note what came back; waits for that at most so long."""
        tell_ends()
        while self._hosts.total() < conf().callback_slots and (taken := take_callback(self._busy_hosts())):
            self._begin(taken)
        self._note(wait_seconds)

    def _busy_hosts(self) -> list[str]:
        return [host for host, n in self._hosts.items() if n >= MAX_PER_HOST]

    def _begin(self, taken: Taken) -> None:
        self._hosts[taken.host] += 1
        threading.Thread(target=self._send, args=(taken,), name=f"callback {taken.id}", daemon=True).start()

    def _send(self, taken: Taken) -> None:
        self._answers.put((taken, send_callback(taken)))

    def _note(self, wait_seconds: float) -> None:
        """Note the answers that have come; those that the database does not take are kept for the next round."""
        try:
            answer = self._answers.get(timeout=wait_seconds) if wait_seconds else self._answers.get_nowait()
            while True:
                self._noted(*answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            return

    def _noted(self, taken: Taken, answered: Answered) -> None:
        try:
            note_answer(taken, answered)
        except (Error, psycopg.Error):
            self._answers.put((taken, answered))
            raise
        self._hosts[taken.host] -= 1

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._safely(lambda: self.round(wait_seconds=conf().clock_tick_seconds))
        until = time.monotonic() + STOP_SECONDS
        while self._hosts.total() and time.monotonic() < until:
            self._safely(lambda: self._note(conf().clock_tick_seconds))
        connection.close()

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (Error, psycopg.Error) as error:
            logger.warning("callbacks: the database does not answer, trying again: %s", str(error).strip())
            connection.close()
            self._stopping.wait(1.0)
        except Exception:
            logger.exception("callbacks: a round broke off")
            self._stopping.wait(1.0)
