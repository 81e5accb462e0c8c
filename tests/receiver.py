"""A receiver of callbacks on this machine, which behaves as it is told and remembers what came."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`statuses` are answered one after the other, the last one for ever; `hold` is waited for before each answer."""

    url: str
    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: Callable[[], Any] = lambda: None
    messages: list[Message] = field(default_factory=list)

    def answer(self, message: Message) -> int:
        self.messages.append(message)
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextlib.contextmanager
def a_receiver(monkeypatch: pytest.MonkeyPatch, **behaviour: Any) -> Iterator[Receiver]:
    """Receive on a port of this machine, which callbacks may reach meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answer(
                Message({name.lower(): value for name, value in self.headers.items()}, body)
            )
            receiver.hold()
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(receiver.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook", **behaviour)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(receiver.url).netloc)
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
