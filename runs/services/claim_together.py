"""Claim for all threads of this process that look for work at this moment, by one statement.

While one thread claims, others that come to look for work stand in line behind it. Whoever is next claims for all of
them: a process that works off many short runs makes fewer claims the busier it is, and each thread still begins what was
claimed for it at once. Source: the combining of Hendler et al., "Flat combining and the synchronization-parallelism
tradeoff" (2010).
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

from runs import claims
from runs.claims import Claimed


class Line:
    """Threads that look for the same kind of work."""

    def __init__(self) -> None:
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._n_waiting = 0
        self._answers: deque[Claimed | None] = deque()

    def take(self, claim: Callable[[int], list[Claimed]]) -> Claimed | None:
        """Return what `claim(n)` of one of those in the line has found for this thread, or None when it found no more.

        Raises: what `claim` raises, where it is this thread that calls it; the next in the line then calls it again.
        """
        with self._lock:
            self._n_waiting += 1
        with self._turn:
            with self._lock:
                if self._answers:
                    return self._answers.popleft()
                n = _power_of_two(self._n_waiting)
                self._n_waiting -= n
            found: list[Claimed | None] = []
            try:
                found += claim(n)
                found += [None] * (n - len(found))
            finally:
                with self._lock:
                    self._n_waiting += n - max(len(found), 1)
                    self._answers.extend(found[1:])
            return found[0]


def claim_together(*, worker_id: UUID, queue: str) -> Claimed | None:
    """Return a queued run, now leased to the worker, or None when there is none; see claims.claim.

    Locks, Transaction: as claims.claim.
    """
    return _line(os.getpid(), queue).take(lambda n: claims.claim(worker_id=worker_id, queue=queue, limit=n))


@lru_cache
def _line(_pid: int, _queue: str) -> Line:
    """A fork has lines of its own: nobody of its parent's stands in them."""
    return Line()


def _power_of_two(n: int) -> int:
    """Return the greatest that is not above `n`: a statement is prepared for each number."""
    return 1 << (n.bit_length() - 1)
