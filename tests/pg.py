"""PostgreSQL and Redis for the tests: real servers in a temporary directory, gone afterwards.

`tests/settings.py` calls `ensure_servers()` before it reads any other setting. pytest-django imports the settings
in the controller before xdist starts its workers, so the controller owns the servers and the workers find the
addresses in the environment. `stop_servers()` runs by itself when the owner exits; a conftest may call it earlier.

With `DATABASE_URL` or `REDIS_URL` in the environment that server is used instead. With `TEST_VECTORS=0` the server has no
extensions, as one without pgvector.
"""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, redis_program, runnable_programs
from agentops.embedded.directories import passable_directory
from agentops.embedded.postgres import SUPERUSER, Postgres
from agentops.embedded.processes import start, start_mark
from agentops.embedded.redis_server import Redis
from agentops.embedded.waiting import wait_until

_PREFIX = "agentops-tests-"
_running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
_directories: list[Path] = []


def ensure_servers() -> tuple[str, str]:
    """Addresses of a PostgreSQL and a Redis, started on the first call of a test session.

    Returns:
        `(database_url, redis_url)`, which stand in `DATABASE_URL` and `REDIS_URL` too. Under xdist each worker has
        a Redis database number of its own.
    """
    if "DATABASE_URL" not in os.environ or "REDIS_URL" not in os.environ:
        base = _new_directory()
        atexit.register(stop_servers)
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = _start_postgres(base)
        if "REDIS_URL" not in os.environ:
            os.environ["REDIS_URL"] = os.environ["AGENTOPS_TEST_REDIS_URL"] = _start_redis(base)
    return os.environ["DATABASE_URL"], _own_redis_database(os.environ["REDIS_URL"])


def stop_servers() -> None:
    """Stops what this process started and removes its directory; harmless when it started nothing."""
    while _running:
        process, how = _running.pop()
        process.send_signal(how)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    while _directories:
        shutil.rmtree(_directories.pop(), ignore_errors=True)


def _new_directory() -> Path:
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > 60:
        parent = Path("/tmp")
    _sweep(parent)
    # The mode lets PostgreSQL's own user pass where the tests run as root; what lies inside is 0700.
    base = parent / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    base.mkdir(mode=0o700)
    base.chmod(0o711)
    (base / "owner").write_text(start_mark(os.getpid()) or "")
    _directories.append(base)
    return base


def _sweep(parent: Path) -> None:
    """Removes what killed test sessions of this user left."""
    for left in parent.glob(f"{_PREFIX}*"):
        try:
            owner, mark = int(left.name.split("-")[2]), (left / "owner").read_text()
        except (OSError, ValueError):
            continue
        if left.stat().st_uid == os.geteuid() and start_mark(owner) != mark:
            shutil.rmtree(left, ignore_errors=True)


def _start_postgres(base: Path) -> str:
    account = postgres_account()
    home = passable_directory(base / "postgres")
    programs = runnable_programs(postgres_programs(), account, base / "programs")
    server = Postgres(programs, home, base / "pg", account, durable=False)
    server.prepare()
    # SIGQUIT ends it at once: there is nothing to save.
    process = start(server.command, log=base / "postgres.log", orphaned=signal.SIGQUIT, account=account)
    _running.append((process, signal.SIGQUIT))
    wait_until(server.accepts, what="PostgreSQL did not answer", timeout_seconds=60)
    if os.environ.get("TEST_VECTORS") == "0":
        _hide_extensions(server)
    server.ensure_database()
    return server.url()


def _hide_extensions(server: Postgres) -> None:
    address = server.url(database="postgres", role=SUPERUSER)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET extension_control_path = '/nonexistent'")
        connection.execute("SELECT pg_reload_conf()")
    wait_until(lambda: not _has_vectors(address), what="the extensions stayed", timeout_seconds=10)


def _has_vectors(address: str) -> bool:
    with psycopg.connect(address) as connection:
        return bool(
            connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        )


def _start_redis(base: Path) -> str:
    server = Redis(redis_program(), base / "redis-data", base / "redis" / "redis.sock")
    server.prepare()
    process = start(server.command, log=base / "redis.log", orphaned=signal.SIGTERM)
    _running.append((process, signal.SIGTERM))
    wait_until(server.accepts, what="Redis did not answer", timeout_seconds=30)
    return server.url()


def _own_redis_database(url: str) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if url != os.environ.get("AGENTOPS_TEST_REDIS_URL") or not worker.startswith("gw"):
        return url
    return url.replace("?db=0", f"?db={1 + int(worker[2:])}")
