"""The board of slots: until when each thread of a worker may be busy without a sign of progress.

It lives in shared memory, because the one who looks at it is the beater, another process: a thread that holds the
interpreter (a regular expression can, for minutes) would also hold every watchdog inside the worker. Source:
PROTOCOL 19.
"""

import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SLOTS = 256
IDLE = 0.0
_SIZE = struct.calcsize("d")


class Board:
    """One deadline (seconds of the monotonic clock, 0 when idle) per slot."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Open the board behind a file descriptor, or make a new one."""
        self.descriptor = _new_file() if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, SLOTS * _SIZE)
        self._free = list(range(SLOTS - 1, -1, -1))
        self._lock = threading.Lock()
        self._mine = threading.local()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take a slot for this thread, for the length of one slice; the threads beyond SLOTS go unwatched."""
        with self._lock:
            self._mine.index = index = self._free.pop() if self._free else None
        try:
            yield
        finally:
            self._mine.index = None
            if index is not None:
                self._write(index, IDLE)
                with self._lock:
                    self._free.append(index)

    def arm(self, seconds: float) -> None:
        """Say that this thread will show progress within `seconds`; nothing happens outside a slot."""
        index = getattr(self._mine, "index", None)
        if index is not None:
            self._write(index, time.monotonic() + seconds)

    def overdue_seconds(self) -> float:
        """Return how long the most overdue slot is overdue; 0 when none is."""
        now = time.monotonic()
        deadlines = struct.unpack(f"{SLOTS}d", self._memory[:])
        return max(
            (now - deadline for deadline in deadlines if deadline != IDLE and deadline < now), default=0.0
        )

    def _write(self, index: int, deadline: float) -> None:
        self._memory[index * _SIZE : (index + 1) * _SIZE] = struct.pack("d", deadline)


def _new_file() -> int:
    descriptor, path = tempfile.mkstemp(prefix="agentops-slots-")
    os.unlink(path)  # noqa: PTH108 -- the descriptor is all that is needed
    os.ftruncate(descriptor, SLOTS * _SIZE)
    os.set_inheritable(descriptor, True)  # noqa: FBT003 -- the standard library's signature
    return descriptor
