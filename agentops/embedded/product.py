"""The plan that `make up` carries out: which servers, which children, with which environment."""

import http.client
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, redis_program, runnable_programs
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.external import check_postgres, check_redis
from agentops.embedded.files import read_environment, write_environment
from agentops.embedded.home import SYSTEM_ROOT, Home
from agentops.embedded.launcher import Plan, Preparation
from agentops.embedded.ports import PortReservation, is_free, quiet_port
from agentops.embedded.postgres import Postgres
from agentops.embedded.redis_server import Redis
from agentops.embedded.supervisor import Program

PROJECT = Path(__file__).resolve().parents[2]

# Generated once and kept: another key would make every session, token and checkpoint of this home invalid.
_KEPT_SECRETS = ("SECRET_KEY", "AGENTOPS_INTEGRITY_KEY")
_SECRETS = (*_KEPT_SECRETS, "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
_LOOPBACK = "127.0.0.1"
_ANY_HOST = {"0.0.0.0": _LOOPBACK, "::": "::1", "": _LOOPBACK}  # noqa: S104 - recognised here, not bound


class ProductPlan:
    """Builds the plan from what the user set and what this home remembers."""

    def __init__(self, home: Home, given: Mapping[str, str]) -> None:
        """Reads `.env` in the project's folder too; a variable in `given` wins over its line there."""
        self.home = home
        self._reservation: PortReservation | None = None
        self._remembered = read_environment(home.environment)
        self._given = dict(given)
        self._settings = _with_secret_files(read_environment(PROJECT / ".env") | _without_empty(given))
        self._host = self._settings.get("HOST", _LOOPBACK)
        self._has_demo = self._settings.get("DEMO", "1") != "0"

    def build(self) -> Plan:
        """The whole plan; writes the home's `env`, and holds the port from now on.

        Raises:
            EmbeddedError: A setting is no number, or a server or a port is not to be had.
        """
        postgres, redis = self._postgres(), self._redis()
        self._reservation = PortReservation(self._host, self._number("PORT", 8000, 1, 65_535))
        self._port = self._reservation.port
        environment = self._write_environment(postgres, redis)
        return Plan(
            home=self.home,
            environment=environment,
            programs=self._programs(environment),
            postgres=postgres,
            redis=redis,
            preparations=self._preparations(),
            check=lambda: _check_own_servers(environment, postgres, redis),
            is_served=_Served(self._address, self._port),
            announce=lambda found: self._announcement(environment, found),
            directory=PROJECT,
        )

    def close(self) -> None:
        """Lets other starts choose the port again."""
        if self._reservation:
            self._reservation.release()

    @property
    def _address(self) -> str:
        return _ANY_HOST.get(self._host, self._host)

    @property
    def _url(self) -> str:
        address = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{address}:{self._port}/"

    def _number(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self._settings.get(name, str(default))
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise EmbeddedError(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}")
        return int(text)

    def _postgres(self) -> Postgres | None:
        if "DATABASE_URL" in self._settings:
            return None
        account = postgres_account()
        programs = runnable_programs(postgres_programs(), account, SYSTEM_ROOT)
        base = self.home.postgres_base(account)
        return Postgres(programs, base, base / "run" if account else self.home.sockets, account)

    def _redis(self) -> Redis | None:
        if self._own_redis():
            return None
        return Redis(redis_program(), self.home.root / "redis", self.home.sockets / "redis.sock")

    def _own_redis(self) -> str | None:
        """The user's Redis. A broker that is one serves for hints too; another broker does not replace it."""
        broker = self._settings.get("CELERY_BROKER_URL", "")
        return self._settings.get("REDIS_URL") or (
            broker if urlsplit(broker).scheme in {"redis", "rediss"} else None
        )

    def _write_environment(self, postgres: Postgres | None, redis: Redis | None) -> dict[str, str]:
        written = {
            "DATABASE_URL": postgres.url() if postgres else self._settings["DATABASE_URL"],
            "REDIS_URL": redis.url() if redis else self._own_redis() or "",
            "HOST": self._host,
            "PORT": str(self._port),
            "DEMO": "1" if self._has_demo else "0",
            **{name: self._secret(name) for name in _KEPT_SECRETS},
            **self._demo_server("DEMO_SITE_URL", "/"),
            **self._demo_server("REHEARSAL_URL", "/v1"),
        }
        # What stands in `.env` holds for `manage.py` in another terminal too.
        named = read_environment(PROJECT / ".env").keys() | {"CELERY_BROKER_URL", "AGENTS", "WORKER_SLOTS"}
        kept = {name: self._settings[name] for name in sorted(named) if name in self._settings}
        if "AGENTS" in kept:
            kept["AGENTS"] = str(Path(kept["AGENTS"]).expanduser().resolve())
        write_environment(self.home.environment, kept | written)
        return {
            **self._given, **self._settings, **kept, **written,
            "AGENTOPS_HOME": str(self.home.root), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def _secret(self, name: str) -> str:
        return self._settings.get(name) or self._remembered.get(name) or secrets.token_urlsafe(48)

    def _demo_server(self, name: str, path: str) -> dict[str, str]:
        """The address of a server that belongs to the demo: the user's own, else one of ours at the port it had before."""
        if own := self._settings.get(name):
            return {name: own}
        if not self._has_demo:
            return {}
        port = urlsplit(self._remembered.get(name, "")).port
        if port is None or not is_free(_LOOPBACK, port):
            port = quiet_port(_LOOPBACK)
        return {name: f"http://{_LOOPBACK}:{port}{path}"}

    def _preparations(self) -> list[Preparation]:
        bare = [] if self._has_demo else ["--bare"]
        return [
            Preparation("migrate", "bringing the database up to date", _manage("migrate", "--no-input")),
            Preparation(
                "bootstrap", "making the first team and sign-in link", _manage("bootstrap_demo", *bare)
            ),
        ]

    def _programs(self, environment: Mapping[str, str]) -> list[Program]:
        slots = str(self._number("WORKER_SLOTS", 8, 1, 1000))
        commands = {
            "web": [
                *(sys.executable, "-m", "uvicorn", "agentops.asgi:application", "--host", self._host),
                *("--port", str(self._port), "--no-access-log", "--lifespan", "off"),
            ]
        }
        for number in range(1, self._number("WORKERS", 2, 0, 1000) + 1):
            commands[f"worker{number}"] = [
                *(sys.executable, "-m", "celery", "-A", "agentops", "worker", "-P", "threads", "-c", slots),
                *("-Q", "default", "--without-gossip", "--without-mingle", "--without-heartbeat"),
                *("-n", f"worker{number}@%h"),
            ]
        commands["clock"] = _manage("clock")
        if self._has_demo and "DEMO_SITE_URL" not in self._settings:
            port = str(urlsplit(environment["DEMO_SITE_URL"]).port)
            # With the ledger, published reports are still there after the next start.
            ledger = str(self.home.root / "demo-site.jsonl")
            commands["demo-site"] = _manage("demo_site", "--port", port, "--ledger", ledger)
        if self._has_demo and "REHEARSAL_URL" not in self._settings:
            port = str(urlsplit(environment["REHEARSAL_URL"]).port)
            commands["rehearsal"] = _manage("rehearsal", "--port", port)
        return [Program(name, command, directory=PROJECT) for name, command in commands.items()]

    def _announcement(
        self, environment: Mapping[str, str], found: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        login_url = urljoin(self._url, str(found.get("login_url", "")))
        content = {
            "url": self._url,
            "api": urljoin(self._url, "api/v1"),
            "login_url": login_url,
            "token": found.get("token"),
            "database_url": environment["DATABASE_URL"],
            "redis_url": environment["REDIS_URL"],
        }
        return content, f"ready: {login_url}"


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(PROJECT / "manage.py"), *words]


def _check_own_servers(
    environment: Mapping[str, str], postgres: Postgres | None, redis: Redis | None
) -> None:
    if postgres is None:
        check_postgres(environment["DATABASE_URL"])
    if redis is None:
        check_redis(environment["REDIS_URL"])


def _without_empty(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _with_secret_files(settings: dict[str, str]) -> dict[str, str]:
    """The settings with what `NAME_FILE` points at in the place of `NAME`.

    Raises:
        EmbeddedError: Such a file cannot be read.
    """
    for name in _SECRETS:
        if path := settings.get(f"{name}_FILE"):
            try:
                settings[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise EmbeddedError(f"{name}_FILE={path} cannot be read: {error.strerror}") from error
    return settings


class _Served:
    """Asks the web process whether the product is there; true from then on."""

    # A part that is late must not hold back the page that tells which one it is.
    _PATIENCE_SECONDS = 30

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._answering_since: float | None = None

    def __call__(self) -> bool:
        if self._status("/readyz") == http.HTTPStatus.OK:
            return True
        status = self._status("/")
        if status is None or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        self._answering_since = self._answering_since or time.monotonic()
        return time.monotonic() - self._answering_since > self._PATIENCE_SECONDS

    def _status(self, path: str) -> int | None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
