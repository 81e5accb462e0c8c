"""Sends callbacks beside the clock: one thread that talks to the database, and one for each request under way."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from agentops.common.conf import conf
from runs.services.request_pool import RequestPool
from runs.services.send_callback import note_answer, send_callback, take_callback
from runs.services.tell_ends import tell_ends

STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class CallbackSender:
    """Finds ends, and sends what is due; used as a context manager, for as long as it is entered.

    Requests have threads of their own (see RequestPool), so that slow receivers hold up neither the clock nor other
    receivers. Any number of senders may run. What is under way when one stops for good is sent again by another once
    its lease is over.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._pool = RequestPool("callback", take=take_callback, send=send_callback, note=note_answer)
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
        self._pool.begin_due()
        self._pool.note_answers(wait_seconds=wait_seconds)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._safely(lambda: self.round(wait_seconds=conf().clock_tick_seconds))
        until = time.monotonic() + STOP_SECONDS
        while self._pool.n_under_way and time.monotonic() < until:
            self._safely(lambda: self._pool.note_answers(wait_seconds=conf().clock_tick_seconds))
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
