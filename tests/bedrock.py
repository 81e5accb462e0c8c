"""A server that speaks Bedrock's Converse wire: JSON in, an AWS event stream out. Source: smithy.io, "Amazon Event Stream Specification"."""

import json
import ssl
import struct
import tempfile
import threading
from binascii import crc32
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

USAGE = {"inputTokens": 120, "outputTokens": 30, "totalTokens": 150}


class Bedrock(ThreadingHTTPServer):
    """Plays `turns` one after the other: text, `(tool, args)`, or a status with which it refuses. `asked` is what came."""

    daemon_threads = True

    def __init__(self, turns: Sequence[Any], certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.turns, self.asked = list(turns), list[tuple[str, str, Any]]()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"


@contextmanager
def bedrock(*turns: Any) -> Iterator[Bedrock]:
    """Serve the turns over https, with a certificate that this process trusts meanwhile."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        certificate = Path(folder) / "server.pem"
        certificate.write_bytes(own_certificate())
        patch.setenv("AWS_CA_BUNDLE", str(certificate))
        with Bedrock(turns, certificate) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield server
            server.shutdown()


def own_certificate() -> bytes:
    """A key and its certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + made.public_bytes(pem)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bedrock

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((unquote(self.path), self.headers.get("Authorization", ""), body))
        turn = self.server.turns.pop(0)
        if isinstance(turn, int):
            self._refuse(turn)
            return
        self._answer(
            200, b"".join(map(event, *zip(*events(turn), strict=True))), "application/vnd.amazon.eventstream"
        )

    def _refuse(self, status: int) -> None:
        kinds = {400: "ValidationException", 403: "AccessDeniedException", 429: "ThrottlingException"}
        key = self.headers.get("Authorization", "")
        told = json.dumps({"message": f"refused, as asked, with {key}"}).encode()
        self._answer(
            status,
            told,
            "application/json",
            {"x-amzn-ErrorType": kinds.get(status, "InternalServerException")},
        )

    def _answer(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def events(turn: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events of one answer."""
    found: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    if isinstance(turn, str):
        found += [
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": part}})
            for part in turn.split(" ")
        ]
    else:
        name, args = turn
        start = {"toolUse": {"toolUseId": f"use-{name}", "name": name}}
        found.append(("contentBlockStart", {"contentBlockIndex": 0, "start": start}))
        found.append(
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": json.dumps(args)}}})
        )
    reason = "end_turn" if isinstance(turn, str) else "tool_use"
    return [
        *found, ("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": reason}),
        ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
    ]  # fmt: skip


def event(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of the stream: lengths, their checksum, headers, payload, checksum of all."""
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in (
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    whole = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return whole + struct.pack("!I", crc32(whole))
