"""Hints in the background: coalesced, never blocking, never raising, gone with the process that wanted them."""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from runs.background import Coalescer

PATIENCE_SECONDS = 5.0


class Sender:
    """Notes what is sent and when; may be held back, and may fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []
        self.may_send = threading.Event()
        self.may_send.set()
        self.failures = 0

    def __call__(self, keys: list[str]) -> None:
        self.may_send.wait(PATIENCE_SECONDS)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no broker")
        self.sent += [(key, time.monotonic()) for key in keys]

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.sent]


@pytest.fixture
def sender() -> Sender:
    return Sender()


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not check():
        assert time.monotonic() < deadline, "nothing was sent in time"
        time.sleep(0.005)


def test_a_hint_is_sent_soon(sender: Sender) -> None:
    Coalescer("test", sender, gap_seconds=0.0, pace_seconds=0.0).add("a")
    until(lambda: sender.keys == ["a"])


def test_whoever_hints_does_not_wait_for_the_sending(sender: Sender) -> None:
    sender.may_send.clear()
    hints = Coalescer("test", sender, gap_seconds=0.0, pace_seconds=0.0)
    began = time.monotonic()
    for number in range(1000):
        hints.add(f"key {number % 10}")
    assert time.monotonic() - began < 1.0
    assert sender.sent == []
    sender.may_send.set()
    until(lambda: len(set(sender.keys)) == 10)


def test_many_hints_become_one(sender: Sender) -> None:
    sender.may_send.clear()
    hints = Coalescer("test", sender, gap_seconds=0.0, pace_seconds=0.0)
    hints.add("first")
    time.sleep(0.1)
    for _ in range(500):
        hints.add("again")
    sender.may_send.set()
    until(lambda: sender.keys == ["first", "again"])
    time.sleep(0.1)
    assert sender.keys == ["first", "again"]


def test_a_key_is_sent_no_more_often_than_its_gap_and_its_last_hint_is_not_lost(sender: Sender) -> None:
    hints = Coalescer("test", sender, gap_seconds=0.2, pace_seconds=0.02)
    ends = time.monotonic() + 0.7
    while time.monotonic() < ends:
        hints.add("busy")
        time.sleep(0.005)
    last = time.monotonic()
    until(lambda: bool(sender.sent) and sender.sent[-1][1] >= last)
    times = [at for _, at in sender.sent]
    assert all(later - earlier >= 0.19 for earlier, later in itertools.pairwise(times))
    assert 2 <= len(times) <= 6


def test_a_busy_key_holds_up_no_other(sender: Sender) -> None:
    hints = Coalescer("test", sender, gap_seconds=30.0, pace_seconds=0.02)
    hints.add("busy")
    until(lambda: sender.keys == ["busy"])
    hints.add("busy")
    hints.add("quiet")
    until(lambda: Counter(sender.keys) == {"busy": 1, "quiet": 1})


def test_a_hint_that_cannot_be_sent_is_lost_and_the_next_is_sent(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    sender.failures = 1
    hints = Coalescer("tickets", sender, gap_seconds=0.0, pace_seconds=0.0)
    hints.add("lost")
    until(lambda: not sender.failures)
    hints.add("sent")
    until(lambda: sender.keys == ["sent"])
    assert "tickets: hints for lost not sent: no broker" in caplog.text


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_sends_its_own_hints_and_none_of_its_parent(sender: Sender) -> None:
    sender.may_send.clear()
    hints = Coalescer("test", sender, gap_seconds=0.0, pace_seconds=0.0)
    hints.add("sending")
    hints.add("of the parent")
    child = os.fork()
    if child == 0:
        sender.may_send = threading.Event()
        sender.may_send.set()
        hints.add("of the child")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "of the child" not in sender.keys and time.monotonic() < deadline:
            time.sleep(0.005)
        os._exit(0 if sender.keys == ["of the child"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    sender.may_send.set()
    until(lambda: sender.keys == ["sending", "of the parent"])
