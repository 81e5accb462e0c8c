"""A mail server on this machine that keeps what it is given, and refuses what it is told to."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class Mailbox:
    """`refusals`: answers to the next messages, `451 …`, before one is taken."""

    host: str
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def take(self, content: bytes) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@contextlib.contextmanager
def a_mailbox(settings: Any) -> Iterator[Mailbox]:
    """Take mail on a port of this machine, to which Django sends meanwhile."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().strip().upper():
                if line == b"DATA":
                    self.say("354 go on")
                    self.say(mailbox.take(self.content()))
                elif line == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def content(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        mailbox = Mailbox("127.0.0.1", int(server.server_address[1]))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = mailbox.host, mailbox.port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield mailbox
        finally:
            server.shutdown()
            thread.join()
