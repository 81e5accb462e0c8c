"""Real worker and clock processes on the test database, to be killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.crash.nursery import MODULES, Child, nursery
from tests.crash.processes import beaters_of, kill

ROOT = Path(__file__).resolve().parents[2]
Process = Child | subprocess.Popen[bytes]


def database_url() -> str:
    """Return the URL of the test database, for other processes."""
    given = connection.settings_dict
    return (
        f"postgresql://{quote(given['USER'])}:{quote(given['PASSWORD'])}@/{quote(given['NAME'])}"
        f"?host={quote(str(given['HOST']), safe='')}&port={given['PORT'] or 5432}"
    )


class Cluster:
    """Workers and a clock, with the settings `conf`, and without the protections that `without` names.

    With `is_supervised`, a worker that ends is started again, as a supervisor does.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        slots: int = 4,
        module: str = "tests.crash.settings",
        is_supervised: bool = False,
        pool: str = "threads",
        level: str = "WARNING",
        without: str = "",
        **conf: Any,
    ) -> None:
        self.n_workers, self.slots, self.module, self.conf = workers, slots, module, conf
        self.is_supervised, self.pool, self.level = is_supervised, pool, level
        self.environment: dict[str, str] = {}
        if without:
            self.module, self.environment = "tests.crash.unprotected", {"WITHOUT": without}
        self.workers: list[Process] = []
        self.clocks: list[Process] = []
        self.webs: list[Process] = []
        self.log = tempfile.NamedTemporaryFile("ab+")  # noqa: SIM115 -- closed in __exit__

    def __enter__(self) -> "Cluster":
        self.another_clock()
        self.workers = [self._worker() for _ in range(self.n_workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self.workers, *self.clocks, *self.webs]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if kind is not None:
            sys.stderr.write(self.output())
        self.log.close()

    def another_clock(self) -> Process:
        """Start a clock beside those that run; ended with the cluster."""
        self.clocks.append(self._start("manage.py", "clock"))
        return self.clocks[-1]

    def web(self, port: int) -> Process:
        """Start a web process; ended with the cluster."""
        command = ["-m", "uvicorn", "agentops.asgi:application", "--port", str(port)]
        environment = {"DJANGO_SETTINGS_MODULE": "tests.crash.slow_answers", "DATABASE_POOL": "1"}
        self.webs.append(self._start(*command, "--lifespan", "off", "--log-level", "warning", **environment))
        return self.webs[-1]

    def kill(self, index: int, *, with_beater: bool = False) -> None:
        """End a worker with SIGKILL, after its beater if wanted, and start another in its place."""
        if with_beater:
            kill(*beaters_of(self.workers[index].pid))
        self.workers[index].kill()
        self.workers[index].wait()
        self.workers[index] = self._worker()

    def output(self) -> str:
        """Return the end of what the processes said; they write to the same file."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), 20000, max(0, size - 20000)).decode(errors="replace")

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

    def _worker(self) -> Process:
        return self._start(
            "-m", "celery", "-A", "agentops", "worker", "-P", self.pool, "-c", str(self.slots), "-Q",
            "default", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", self.level,
        )  # fmt: skip

    def _start(self, *command: str, **environment: str) -> Process:
        servers = {"DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
        own = {
            "DJANGO_SETTINGS_MODULE": self.module,
            "CLUSTER_CONF": json.dumps(self.conf),
            "WORKER_SLOTS": str(self.slots),
            **self.environment,
            **environment,
        }
        if own["DJANGO_SETTINGS_MODULE"] in MODULES:
            home = nursery(**servers, DJANGO_SETTINGS_MODULE=MODULES[0])
            return home.start(list(command), own, Path(self.log.name))
        return subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=os.environ | servers | own, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip
