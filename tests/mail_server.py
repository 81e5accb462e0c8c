"""A small IMAP server with one mailbox, for the tests of sources: real sockets, the commands that a reader needs."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Mailbox:
    """What the server holds; `break_at` breaks the connection when that message is fetched."""

    def __init__(self) -> None:
        self.password = "secret"
        self.validity = 1
        self.messages: dict[int, bytes] = {}
        self.break_at: int | None = None
        self.commands: list[str] = []

    def add(self, message: bytes) -> int:
        uid = max(self.messages, default=0) + 1
        self.messages[uid] = message
        return uid


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        for line in self.rfile:
            tag, _, rest = line.decode().strip().partition(" ")
            self.server.mailbox.commands.append(rest)
            name = rest.upper()
            answer = self._answer(name, rest)
            if answer is None:
                return
            self.wfile.write(f"{tag} {answer}\r\n".encode())
            if name == "LOGOUT":
                return

    def _answer(self, name: str, rest: str) -> str | None:
        """Return how the command ends; None when the connection is to break."""
        box: Mailbox = self.server.mailbox
        if name.startswith("LOGIN"):
            return "OK in" if rest.endswith(f'"{box.password}"') else "NO wrong password"
        if name.startswith("EXAMINE"):
            return self._examine(box) if '"INBOX"' in rest else "NO no such mailbox"
        if found := re.match(r"UID FETCH (\d+) ", name):
            return self._fetch(box, int(found[1]))
        if found := re.fullmatch(r"UID SEARCH UID (\d+):\*", name):
            uids = [uid for uid in box.messages if uid >= int(found[1])] or list(box.messages)[-1:]
            self._say(f"SEARCH {' '.join(map(str, uids))}")
        else:
            self._say({"CAPABILITY": "CAPABILITY IMAP4rev1", "LOGOUT": "BYE"}[name])
        return "OK done"

    def _examine(self, box: Mailbox) -> str:
        self._say(f"{len(box.messages)} EXISTS\r\n* OK [UIDVALIDITY {box.validity}] ok")
        return "OK [READ-ONLY] done"

    def _fetch(self, box: Mailbox, uid: int) -> str | None:
        if uid == box.break_at:
            return None
        if (raw := box.messages.get(uid)) is not None:
            head = f"* 1 FETCH (UID {uid} RFC822.SIZE {len(raw)} BODY[]<0> {{{len(raw)}}}\r\n"
            self.wfile.write(head.encode() + raw + b")\r\n")
        return "OK done"

    def _say(self, told: str) -> None:
        self.wfile.write(f"* {told}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailbox: Mailbox


@contextmanager
def a_mail_server() -> Iterator[tuple[Mailbox, int]]:
    """Yield the mailbox and the port of a server on this host."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.mailbox = Mailbox()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.mailbox, server.server_address[1]
        server.shutdown()
