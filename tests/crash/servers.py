"""A PostgreSQL and a Redis of a test's own, to be stopped, killed and started again."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from types import TracebackType

from django.core.management import call_command
from django.db import connection

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, redis_program, runnable_programs
from agentops.embedded.directories import passable_directory
from agentops.embedded.postgres import Postgres
from agentops.embedded.processes import start
from agentops.embedded.redis_server import Redis
from agentops.embedded.waiting import wait_until
from agentops.settings import database
from tests import pg
from tests.emptying import empty, let_it_be_emptied


class OwnPostgres:
    """A durable PostgreSQL: what it has confirmed is still there after an immediate stop."""

    def __init__(self) -> None:
        base = pg._new_directory()
        self._account, self._log = postgres_account(), base / "postgres.log"
        programs = runnable_programs(postgres_programs(), self._account, base / "programs")
        self.server = Postgres(programs, passable_directory(base / "postgres"), base / "pg", self._account)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OwnPostgres":
        self.start()
        self.server.ensure_database()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.server.prepare()
        self._process = start(
            self.server.command, log=self._log, orphaned=signal.SIGQUIT, account=self._account
        )
        wait_until(self.server.accepts, what="PostgreSQL did not answer", timeout_seconds=60)

    def stop(self) -> None:
        """Stop it in its mode `immediate`: no connection is asked, nothing is written."""
        assert self._process
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let this process work on it, with the product's tables, instead of on the tests' database."""
        before = dict(connection.settings_dict)
        connection.close()
        connection.settings_dict |= {
            k: database(self.server.url())[k] for k in ("NAME", "USER", "PASSWORD", "HOST", "PORT")
        }
        try:
            call_command("migrate", verbosity=0)
            let_it_be_emptied()
            yield
            empty()
        finally:
            connection.close()
            connection.settings_dict |= before


class OwnRedis:
    """A Redis that is killed and started as a test likes; `url` stays the same."""

    def __init__(self) -> None:
        base = pg._new_directory()
        self._log = base / "redis.log"
        self._server = Redis(redis_program(), base / "redis-data", base / "redis" / "redis.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.url()
        self.broker_url = f"redis+socket{self.url[4:].replace('?db=', '?virtual_host=')}"

    def __enter__(self) -> "OwnRedis":
        self.start_empty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start_empty(self) -> None:
        shutil.rmtree(self._server.data, ignore_errors=True)
        self._server.prepare()
        self._process = start(self._server.command, log=self._log, orphaned=signal.SIGKILL)
        wait_until(self._server.accepts, what="Redis did not answer", timeout_seconds=90)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()
