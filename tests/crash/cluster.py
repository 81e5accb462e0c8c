"""Real worker and clock processes on the test database, to be killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """Return the URL of the test database, for other processes."""
    given = connection.settings_dict
    return (
        f"postgresql://{quote(given['USER'])}:{quote(given['PASSWORD'])}@/{quote(given['NAME'])}"
        f"?host={quote(str(given['HOST']), safe='')}&port={given['PORT'] or 5432}"
    )


class Cluster:
    """Workers and a clock; a worker that ends is started again, as a supervisor does."""

    def __init__(
        self,
        *,
        workers: int = 2,
        slots: int = 4,
        module: str = "tests.crash.settings",
        is_supervised: bool = False,
        **conf: Any,
    ) -> None:
        self.n_workers, self.slots, self.module, self.conf = workers, slots, module, conf
        self.is_supervised = is_supervised
        self.workers: list[subprocess.Popen[bytes]] = []
        self.clock: subprocess.Popen[bytes] | None = None
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in __exit__

    def __enter__(self) -> "Cluster":
        self.clock = self._start(sys.executable, "manage.py", "clock")
        self.workers = [self._worker() for _ in range(self.n_workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes = [*self.workers, *([self.clock] if self.clock else [])]
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in processes:
            process.wait()
        if kind is not None:
            sys.stderr.write(self.output())
        self.log.close()

    def kill(self, index: int) -> None:
        """End a worker with SIGKILL and start another in its place."""
        self.workers[index].kill()
        self.workers[index].wait()
        self.workers[index] = self._worker()

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-20000:]

    def wait_until(self, check: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `check()` holds; fails with the processes' output."""
        deadline = time.monotonic() + seconds
        while not check():
            self._supervise()
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; the processes said:\n{self.output()}")
            time.sleep(0.1)

    def _supervise(self) -> None:
        """Start a worker in the place of one that ended by itself."""
        for index, process in enumerate(self.workers):
            if self.is_supervised and process.poll() is not None:
                self.workers[index] = self._worker()

    def _worker(self) -> subprocess.Popen[bytes]:
        return self._start(
            sys.executable, "-m", "celery", "-A", "agentops", "worker", "-P", "threads", "-c", str(self.slots), "-Q",
            "default", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING",
        )  # fmt: skip

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": self.module,
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "CLUSTER_CONF": json.dumps(self.conf),
            "WORKER_SLOTS": str(self.slots),
        }
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self.log, stderr=self.log)
