"""Threads that look for work together: one claims for all who stand in line, and each gets what was claimed for it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from runs.services.claim_together import Line

THREADS = 8


class Queue:
    """What is queued, and how much each claim asked for; `hold` keeps the first claim until all others stand in line."""

    def __init__(self, n: int) -> None:
        self.queued, self.asked = list(range(n)), list[int]()
        self.hold, self.began = threading.Event(), threading.Event()

    def claim(self, n: int) -> list[Any]:
        self.asked.append(n)
        self.began.set()
        self.hold.wait(10)
        found, self.queued = self.queued[:n], self.queued[n:]
        return found


def ask_all(line: Line, queue: Queue, claim: Callable[[int], list[Any]]) -> list[Any]:
    """Let all threads ask while the first claim is under way; return what they got."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(line.take(claim))
        except OSError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    threads[0].start()
    queue.began.wait(10)
    for thread in threads[1:]:
        thread.start()
    while line._n_waiting < THREADS - 1:
        threading.Event().wait(0.001)
    queue.hold.set()
    for thread in threads:
        thread.join(10)
    return found


def test_those_who_come_while_one_claims_are_served_by_few_claims() -> None:
    line, queue = Line(), Queue(100)
    assert sorted(ask_all(line, queue, queue.claim)) == list(range(THREADS))
    assert queue.asked == [1, 4, 2, 1]


def test_where_too_little_is_queued_the_others_get_none_and_nothing_is_lost() -> None:
    line, queue = Line(), Queue(3)
    found = ask_all(line, queue, queue.claim)
    assert sorted(one for one in found if one is not None) == [0, 1, 2]
    assert found.count(None) == THREADS - 3
    assert line._n_waiting == 0
    assert not line._answers


def test_a_claim_that_fails_is_the_matter_of_its_caller_alone() -> None:
    line, queue = Line(), Queue(100)

    def claim(n: int) -> list[Any]:
        if len(queue.asked) == 1:
            queue.asked.append(0)
            raise OSError("the connection broke")
        return queue.claim(n)

    found = ask_all(line, queue, claim)
    assert sum(isinstance(one, OSError) for one in found) == 1
    assert sorted(one for one in found if not isinstance(one, OSError)) == list(range(THREADS - 1))
    assert line._n_waiting == 0


@pytest.mark.parametrize("n", [0, 1, 5])
def test_one_alone_claims_for_itself(n: int) -> None:
    line, queue = Line(), Queue(n)
    queue.hold.set()
    assert [line.take(queue.claim) for _ in range(2)] == [*range(n)][:2] + [None] * (2 - min(n, 2))
    assert queue.asked == [1, 1]
