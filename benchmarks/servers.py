"""The servers that every contestant shares: the product's embedded PostgreSQL and Redis, durable, in a folder of their own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, redis_program, runnable_programs
from agentops.embedded.directories import passable_directory
from agentops.embedded.postgres import SUPERUSER, Postgres
from agentops.embedded.processes import start
from agentops.embedded.redis_server import Redis
from agentops.embedded.waiting import wait_until


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Start both and yield the environment that leads to them; stop them and remove everything at the end.

    What is already named in BENCH_POSTGRES and BENCH_REDIS is used instead.
    """
    given = {name: os.environ[name] for name in ("BENCH_POSTGRES", "BENCH_REDIS") if name in os.environ}
    if len(given) == 2:
        yield given
        return
    base = Path(tempfile.mkdtemp(prefix="agentops-bench-"))
    base.chmod(0o711)
    started: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
    try:
        yield _started(base, started)
    finally:
        for process, how in started:
            process.send_signal(how)
            process.wait(timeout=60)
        shutil.rmtree(base, ignore_errors=True)


def _started(base: Path, started: list[tuple[subprocess.Popen[bytes], signal.Signals]]) -> dict[str, str]:
    account = postgres_account()
    programs = runnable_programs(postgres_programs(), account, base / "programs")
    postgres = Postgres(programs, passable_directory(base / "postgres"), base / "pg", account)
    postgres.prepare()
    log = base / "postgres.log"
    process = start(postgres.command, log=log, orphaned=signal.SIGQUIT, account=account)
    started.append((process, signal.SIGINT))
    wait_until(postgres.accepts, what="PostgreSQL did not answer", timeout_seconds=60)
    postgres.ensure_database()
    redis = Redis(redis_program(), base / "redis-data", base / "redis" / "redis.sock")
    redis.prepare()
    process = start(redis.command, log=base / "redis.log", orphaned=signal.SIGTERM)
    started.append((process, signal.SIGTERM))
    wait_until(redis.accepts, what="Redis did not answer", timeout_seconds=30)
    address = postgres.url(database="{database}", role=SUPERUSER)
    return {"BENCH_POSTGRES": address, "BENCH_REDIS": redis.url()}
