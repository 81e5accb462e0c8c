"""Finding the processes beside a worker; killing them, and stopping them for a while."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEATERS = ("runs.beater", "tests.crash.beater_without")


def beaters_of(pid: int) -> list[int]:
    """Return the ids of the processes that beat for the worker process `pid`."""
    return [
        found for found, words in _commands() if str(pid) in words and any(name in words for name in BEATERS)
    ]


def _commands() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_text().split("\0")


def kill(*pids: int) -> None:
    """End the processes with SIGKILL; those that are gone already do not count."""
    send(signal.SIGKILL, pids)


@contextmanager
def standing_still(*pids: int) -> Iterator[None]:
    """Keep the processes from doing anything meanwhile; the first is let go first, half a second before the others."""
    send(signal.SIGSTOP, pids)
    try:
        yield
    finally:
        send(signal.SIGCONT, pids[:1])
        time.sleep(0.5)
        send(signal.SIGCONT, pids[1:])


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
