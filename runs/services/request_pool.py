"""Messages under way: each in a thread of its own, so many at most, and so many for a host."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import psycopg
from django.db import Error

from agentops.common.conf import conf
from runs.services.send_callback import Answered

MAX_PER_HOST = 2


class Message(Protocol):
    """What is to be sent: it is the sender's own until its lease is over."""

    @property
    def id(self) -> UUID: ...
    @property
    def host(self) -> str: ...


M = TypeVar("M", bound=Message)


class RequestPool(Generic[M]):
    """Begins what is due and notes what came back, from one thread; what is under way holds no connection.

    `take` returns a message that is not for one of the hosts it is given, `send` never raises and touches no database,
    `note` writes down what came of it. What is under way when the process ends is sent again by another, later.
    """

    def __init__(
        self,
        name: str,
        *,
        take: Callable[[Collection[str]], M | None],
        send: Callable[[M], Answered],
        note: Callable[[M, Answered], object],
    ) -> None:
        self._name, self._take, self._send, self._note = name, take, send, note
        self._answers: queue.Queue[tuple[M, Answered]] = queue.Queue()
        self._hosts: Counter[str] = Counter()

    @property
    def n_under_way(self) -> int:
        return self._hosts.total()

    def begin_due(self) -> None:
        """Begin what is due, `callback_slots` at once and MAX_PER_HOST for a host."""
        while self.n_under_way < conf().callback_slots and (taken := self._take(self._busy_hosts())):
            self._hosts[taken.host] += 1
            name = f"{self._name} {taken.id}"
            threading.Thread(target=self._work, args=(taken,), name=name, daemon=True).start()

    def note_answers(self, *, wait_seconds: float = 0.0) -> None:
        """Note the answers that have come, waiting for the first one at most so long.

        Those that the database does not take are kept for the next time.
        """
        try:
            answer = self._answers.get(timeout=wait_seconds) if wait_seconds else self._answers.get_nowait()
            while True:
                self._noted(*answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            return

    def _busy_hosts(self) -> list[str]:
        return [host for host, n in self._hosts.items() if n >= MAX_PER_HOST]

    def _work(self, taken: M) -> None:
        self._answers.put((taken, self._send(taken)))

    def _noted(self, taken: M, answered: Answered) -> None:
        try:
            self._note(taken, answered)
        except (Error, psycopg.Error):
            self._answers.put((taken, answered))
            raise
        self._hosts[taken.host] -= 1
