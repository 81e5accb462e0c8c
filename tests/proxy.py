"""A proxy of ours between clients and PostgreSQL, which breaks a connection at the statement that a test names.

It speaks enough of the wire protocol to know which statement is being executed: it reads the client's Parse and Bind
messages up to each Sync, and the server's answers up to ReadyForQuery. Clients reach it through a unix socket.
"""

import contextlib
import os
import select
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from django.db import connection

_HEADER = struct.Struct("!cI")


class Cut(Enum):
    """Where the connection breaks, seen from the statement that is on its way."""

    BEFORE = "the statement never reaches the server"
    MIDDLE = "half of it reaches the server"
    UNANSWERED = "it is committed, and its answer is lost"
    UNDER_WAY = "the client is cut off while the server is at it"


Rule = Callable[[str], Cut | None]


class Proxy:
    """Listens in a directory of its own; `rule` is asked about every statement (its text) and may break it."""

    def __init__(self, rule: Rule = lambda _: None) -> None:
        self.rule = rule
        given = connection.settings_dict
        self._upstream = (str(given["HOST"]), int(given["PORT"] or 5432))
        self.directory = tempfile.mkdtemp(prefix="agentops-proxy-", dir="/tmp")
        self._listener = socket.socket(socket.AF_UNIX)
        self._live: set[socket.socket] = set()
        self._is_open = True
        self.n_cut = 0

    def __enter__(self) -> "Proxy":
        self._listener.bind(f"{self.directory}/.s.PGSQL.5432")
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._listener.close()
        self.cut_all()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cut_all(self) -> None:
        """Break every connection that stands now."""
        for live in list(self._live):
            with contextlib.suppress(OSError):
                live.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def between(self) -> Iterator[None]:
        """Let this process reach its database through the proxy."""
        before = dict(connection.settings_dict)
        connection.close()
        connection.settings_dict |= {"HOST": self.directory, "PORT": "5432"}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict |= {"HOST": before["HOST"], "PORT": before["PORT"]}

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), _connect(*self._upstream) as server:
            self._live |= {client, server}
            try:
                _Session(self, client, server).run()
            finally:
                self._live -= {client, server}


class _Session:
    """One client's connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.statements: dict[bytes, str] = {}
        self.received, self.batch, self.texts = b"", b"", ""
        self.has_started = False

    def run(self) -> None:
        while True:
            readable, _, _ = select.select([self.client, self.server], [], [])
            if self.server in readable:
                if not (data := self.server.recv(1 << 16)):
                    return
                self.client.sendall(data)
            if self.client in readable:
                if not (data := self.client.recv(1 << 16)):
                    return
                self.received += data
                while (message := self._message()) is not None:
                    if not self._take(message):
                        return

    def _message(self) -> bytes | None:
        """Return the client's next whole message; the first has no letter in front."""
        offset = 1 if self.has_started else 0
        if len(self.received) < offset + 4:
            return None
        size = offset + int(struct.unpack_from("!I", self.received, offset)[0])
        if len(self.received) < size:
            return None
        message, self.received = self.received[:size], self.received[size:]
        return message

    def _take(self, message: bytes) -> bool:
        """Handle one message; False when the connection was cut."""
        if not self.has_started or message[:1] not in b"PBDECSH":
            self.has_started = True
            self.server.sendall(message)
            return True
        self.batch += message
        if message[:1] == b"P":
            name, text, _ = message[5:].split(b"\0", 2)
            self.statements[name] = text.decode()
        elif message[:1] == b"B":
            _, name, _ = message[5:].split(b"\0", 2)
            self.texts += self.statements.get(name, "")
        elif message[:1] in b"SH":
            return self._send()
        return True

    def _send(self) -> bool:
        """Pass the statement on, or break the connection where the rule says."""
        batch, texts = self.batch, self.texts
        self.batch, self.texts = b"", ""
        cut = self.proxy.rule(texts) if texts else None
        if cut is None:
            self.server.sendall(batch)
            return True
        self.proxy.n_cut += 1
        if cut is Cut.MIDDLE:
            batch = batch[: len(batch) // 2]
        if cut is not Cut.BEFORE:
            self.server.sendall(batch)
        if cut is Cut.UNDER_WAY:
            self.client.shutdown(socket.SHUT_RDWR)
        if cut in (Cut.UNANSWERED, Cut.UNDER_WAY):
            self._wait_for_ready()
        return False

    def _wait_for_ready(self) -> None:
        """Read the server's answer to its end, and keep it."""
        answer = b""
        while data := self.server.recv(1 << 16):
            answer += data
            while len(answer) >= 5:
                letter, size = _HEADER.unpack_from(answer)
                if len(answer) <= size:
                    break
                if letter == b"Z":
                    return
                answer = answer[1 + size :]


def nth(n: int, matches: Callable[[str], bool], cut: Cut) -> Rule:
    """Return a rule that breaks the `n`-th statement that `matches` (counted from 0), and no other."""
    seen = iter(range(1_000_000))
    lock = threading.Lock()

    def rule(text: str) -> Cut | None:
        if not matches(text):
            return None
        with lock:
            return cut if next(seen) == n else None

    return rule


def is_commit(text: str) -> bool:
    """Return whether the statement is one that must not be lost or doubled: a claim, a fenced commit, a release."""
    return "runs_run" in text and ("UPDATE" in text or "INSERT" in text)


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host or "127.0.0.1", port))
    made: Any = socket.socket(socket.AF_UNIX)
    made.connect(os.fspath(Path(host) / f".s.PGSQL.{port}"))
    return made  # type: ignore[no-any-return]  # a socket
