"""A start with the real servers and three children that do nothing: `python -m tests.integration.small_plan HOME`."""

import os
import sys
from pathlib import Path

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, redis_program, runnable_programs
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.home import SYSTEM_ROOT, Home
from agentops.embedded.launcher import Plan, launch
from agentops.embedded.postgres import Postgres
from agentops.embedded.redis_server import Redis
from agentops.embedded.supervisor import Program

# A shell that has a child of its own, as a worker has its beater.
_WORKER = ["sh", "-c", "sleep 600 & wait"]


def small_plan(home: Home) -> Plan:
    account = postgres_account()
    base = home.postgres_base(account)
    programs = runnable_programs(postgres_programs(), account, SYSTEM_ROOT)
    postgres = Postgres(programs, base, base / "run" if account else home.sockets, account)
    redis = Redis(redis_program(), home.root / "redis", home.sockets / "redis.sock")
    content = {"url": "http://placeholder/", "database_url": postgres.url(), "redis_url": redis.url()}
    return Plan(
        home=home,
        environment=dict(os.environ),
        programs=[Program("web", ["sleep", "600"]), Program("worker1", _WORKER), Program("worker2", _WORKER)],
        postgres=postgres,
        redis=redis,
        announce=lambda _: (content, "ready: http://placeholder/"),
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    home = Home(Path(sys.argv[1]).resolve())
    try:
        launch(home, lambda: small_plan(home), say)
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
