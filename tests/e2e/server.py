"""The product's web server as it is deployed: uvicorn on the ASGI application, against the tests' database."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


class WebServer:
    """Runs while it is entered; `url` is where. Its log is in `log`."""

    def __init__(self, log: Path) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "uvicorn", "agentops.asgi:application", "--host", "127.0.0.1"]
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--no-access-log", "--lifespan", "off"],
                cwd=ROOT, env=_environment(), stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, timeout_seconds: float = 60.0) -> None:
        assert self._process
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/accounts/login/", timeout=5) as response:
                    if response.status == 200:
                        return
            except (URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the web server did not come up:\n{self.log.read_text()[-4000:]}")


def _environment() -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": _database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "DATABASE_POOL": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _database_url() -> str:
    """Return the address of the database that the tests have made for themselves."""
    options = connection.settings_dict
    host = quote(str(options["HOST"]), safe="")
    port = f"&port={options['PORT']}" if options["PORT"] else ""
    login = f"{quote(str(options['USER']))}:{quote(str(options['PASSWORD']))}@" if options["USER"] else ""
    return f"postgresql://{login}/{options['NAME']}?host={host}{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
