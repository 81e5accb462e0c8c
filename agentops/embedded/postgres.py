"""A PostgreSQL of our own: one data directory, one unix socket, no TCP port."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from agentops.embedded.accounts import Account, current_account
from agentops.embedded.binaries import postgres_major
from agentops.embedded.directories import passable_directory, private_directory
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.processes import postmaster_pid, run

ROLE = "agentops"
DATABASE = "agentops"
SUPERUSER = "postgres"

_SETTINGS = """\
# Written at each start. Your own settings go into {custom}: they win.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
hba_file = '{conf}/pg_hba.conf'
ident_file = '{conf}/pg_ident.conf'
max_connections = 200
shared_buffers = {shared_buffers_mb}MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
include = '{custom}'
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server that does not run yet.

    Attributes:
        programs: Directory of `postgres` and `initdb`, runnable by `account`.
        base: Holds `data` (the server's) and `conf` (ours: a server that is broken into cannot lead us astray).
        sockets: Private directory of the socket, the server's own.
        account: Whom it runs as; None: the current user.
        durable: False for tests that may lose everything.
    """

    programs: Path
    base: Path
    sockets: Path
    account: Account | None = None
    durable: bool = True

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "data"

    @property
    def conf(self) -> Path:
        """The directory of the configuration."""
        return self.base / "conf"

    @property
    def command(self) -> list[str]:
        """What starts the server in the foreground."""
        return [
            str(self.programs / "postgres"),
            "-D",
            str(self.data),
            f"--config-file={self.conf}/postgresql.conf",
        ]

    def url(self, *, database: str = DATABASE, role: str = ROLE) -> str:
        """The address for clients, for example ``postgresql://agentops@/agentops?host=%2Fhome%2F…``."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='')}"

    def prepare(self) -> None:
        """Everything a start needs: the data directory, the configuration, no stale lock.

        Raises:
            EmbeddedError: The data belongs to another major version, or `initdb` failed.
        """
        private_directory(self.sockets, self.account)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._write_configuration()
        self._clear_stale_lock()

    def accepts(self) -> bool:
        """Whether the server takes connections now."""
        try:
            psycopg.connect(self.url(database="postgres", role=SUPERUSER), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        """Makes the product's role and database on a running server; a second call changes nothing."""
        with psycopg.connect(self.url(database="template1", role=SUPERUSER), autocommit=True) as connection:
            _ensure_vector(connection)
            _ensure_role(connection)
        with psycopg.connect(self.url(database="postgres", role=SUPERUSER), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def _initialise(self) -> None:
        # A killed initdb leaves half a cluster: it works next door, and only a whole one moves in.
        fresh = self.base / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        private_directory(fresh, self.account)
        command: list[str | Path] = [self.programs / "initdb", "-D", fresh, "-U", SUPERUSER, "-A", "peer"]
        unsynced = [] if self.durable else ["--no-sync"]
        done = run([*command, *_locale(self.programs), *unsynced], self.account)
        if done.returncode:
            raise EmbeddedError(f"initdb failed in {fresh}: {done.stderr.strip() or done.stdout.strip()}")
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _check_version(self) -> None:
        of_data = (self.data / "PG_VERSION").read_text().strip()
        of_programs = postgres_major(self.programs)
        if of_data != str(of_programs):
            raise EmbeddedError(
                f"the data in {self.data} were written by PostgreSQL {of_data}, the installed one is {of_programs}: "
                f"dump them with a PostgreSQL {of_data} and load them into a new home"
            )

    def _write_configuration(self) -> None:
        passable_directory(self.conf)
        us = current_account().name
        peers = "".join(
            f'agentops "{name}" {role}\n'
            for name in sorted({us, "root", self.account.name if self.account else us})
            for role in (ROLE, SUPERUSER)
        )
        settings = _SETTINGS.format(
            sockets=self.sockets,
            conf=_quoted(self.conf),
            custom=_quoted(self.conf / "custom.conf"),
            shared_buffers_mb=shared_buffers_mb(_memory_bytes()),
            durable="on" if self.durable else "off",
        )
        for name, content in (
            ("postgresql.conf", settings),
            ("pg_hba.conf", "local all all peer map=agentops\n"),
            ("pg_ident.conf", peers),
        ):
            (self.conf / name).write_text(content)
            (self.conf / name).chmod(0o644)
        if not (self.conf / "custom.conf").exists():
            (self.conf / "custom.conf").write_text(
                "# Your own settings; they win, and no start touches them.\n"
            )
            (self.conf / "custom.conf").chmod(0o644)

    def _clear_stale_lock(self) -> None:
        # After a reboot the number in the lock file may be anybody's, and PostgreSQL would refuse to start.
        if postmaster_pid(self.data) is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)


def shared_buffers_mb(memory_bytes: int) -> int:
    """A sixteenth of the machine's memory, from 64 to 512 MB: workers and web live here too."""
    return max(64, min(512, memory_bytes // (16 * 1024 * 1024)))


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _locale(programs: Path) -> list[str]:
    if postgres_major(programs) >= 17:
        return ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--encoding=UTF8", "--locale=C"]


def _ensure_role(connection: psycopg.Connection) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
        connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        connection.execute(f"GRANT pg_monitor, pg_signal_backend TO {ROLE}")


def _ensure_vector(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone():
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
