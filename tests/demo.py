"""The demo site and other small servers on this machine, for tests."""

import contextlib
import functools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from agentops.demo.site.behaviour import Behaviour
from agentops.demo.site.library import Library
from agentops.demo.site.server import DemoSite
from runs.engine.tools import ToolCall

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = {"latency_ms": 0, "jitter_ms": 0, "crawl_delay_seconds": 0}


@contextlib.contextmanager
def a_site(*, ledger: Path | None = None, **behaviour: Any) -> Iterator[DemoSite]:
    """Serve the demo site from a thread of this process; without latency unless told otherwise."""
    site = DemoSite(
        behaviour=Behaviour.from_json({**AT_ONCE, **behaviour}), ledger=ledger, library=_library()
    )
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


@contextlib.contextmanager
def a_site_process(*arguments: str, **environment: str) -> Iterator[str]:
    """Serve the demo site by `manage.py demo_site`; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo_site", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "agentops.settings", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().removeprefix("demo site: ").strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextlib.contextmanager
def a_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve raw bytes: `answer` gets each connection after the request's header was read; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        stopping.set()
        thread.join()
        listener.close()


def says(*lines: str, body: bytes = b"") -> Callable[[socket.socket], None]:
    """Answer with these header lines and this body."""

    def answer(connection: socket.socket) -> None:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    return answer


@functools.cache
def _library() -> Library:
    """Return the pages that all sites of this process share, since making them takes a while."""
    return Library()


def drips(connection: socket.socket) -> None:
    """Send a header that never ends, one byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def a_call(*, timeout_seconds: float = 5.0, key: str = "idem_test") -> ToolCall:
    return ToolCall(UUID(int=1), UUID(int=2), 3, 1, key, timeout_seconds)


def control(url: str, **behaviour: Any) -> None:
    """Tell the site how to behave from now on."""
    httpx.post(f"{url}_control", json={**AT_ONCE, **behaviour}, trust_env=False).raise_for_status()
