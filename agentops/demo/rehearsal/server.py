"""The HTTP server of the rehearsal model.

| path | answers |
|---|---|
| `POST /v1/chat/completions` | as OpenAI does, in one piece or streamed; needs any `Authorization: Bearer` |
| `GET /v1/models` | the models there are |
| `/_control` | the behaviour; `POST` replaces it (behaviour.py) |
| `GET /_stats` | `{"requests", "statuses", "peak_rpm", "peak_tpm", "tokens_billed"}`; `DELETE` forgets them |
"""

import json
import sys
import threading
import time
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from agentops.demo.rehearsal import wire
from agentops.demo.rehearsal.behaviour import Behaviour, BehaviourError, Fate, Fortune
from agentops.demo.rehearsal.meter import Meter

MAX_BODY_BYTES = 16 << 20
# Of these a provider makes no bill: it refused the request, or had nothing to answer.
_FREE = ("429", "429_bare", "500", "503", "401")


class RehearsalModel(ThreadingHTTPServer):
    """The server, bound to this machine only. `port` 0 takes a free one; `url` says which."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int = 0, *, behaviour: Behaviour | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fortune, self.meter = Fortune(behaviour or Behaviour()), Meter()
        self.lock = threading.Lock()
        self.is_closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def behave(self, **switches: Any) -> None:
        """Behave otherwise from now on; see Behaviour."""
        with self.lock:
            self.fortune = Fortune(Behaviour.from_json(switches))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that went away, which is what they do when an answer is kept from them."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.is_closing.set()  # requests that are kept waiting on purpose end now
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AgentOpsRehearsal"
    timeout = 120
    disable_nagle_algorithm = True
    server: RehearsalModel

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._models()
        elif self.path == "/_stats":
            with self.server.lock:
                figures = self.server.meter.figures()
            self._json(HTTPStatus.OK, figures)
        elif self.path == "/_control":
            self._json(HTTPStatus.OK, asdict(self.server.fortune.behaviour))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here", "not_found")

    def do_DELETE(self) -> None:
        if self.path != "/_stats":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here", "not_found")
            return
        with self.server.lock:
            self.server.meter = Meter()
        self._json(HTTPStatus.OK, {})

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path == "/_control":
            self._control(body)
        elif self.path == "/v1/chat/completions":
            self._complete(body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "post to /v1/chat/completions", "not_found")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        """Stay silent; the figures tell what was asked for."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path.startswith("/v1/chat"):
            with self.server.lock:
                self.server.meter.statuses[int(code)] += 1

    def _models(self) -> None:
        if self._is_known():
            found = [
                {"id": name, "object": "model", "created": 0, "owned_by": "agentops"} for name in wire.MODELS
            ]
            self._json(HTTPStatus.OK, {"object": "list", "data": found})

    def _control(self, body: Any) -> None:
        try:
            behaviour = Behaviour.from_json(body)
        except BehaviourError as error:
            self._json(HTTPStatus.BAD_REQUEST, {"detail": str(error)})
            return
        with self.server.lock:
            self.server.fortune = Fortune(behaviour)
        self._json(HTTPStatus.OK, asdict(behaviour))

    def _complete(self, body: Any) -> None:
        if not self._is_known():
            return
        try:
            asked = wire.read(body)
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error), "invalid_request_error")
            return
        with self.server.lock:
            fate = self.server.fortune.fate(asked.digest)
            asked = asked.with_bad_calls() if fate.fault == "bad_call" else asked
            told = self._admitted(asked, is_billed=fate.fault not in _FREE)
        if told.get("retry-after"):
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", "rate_limit_exceeded", told)
            return
        if self._wait(fate.delay_seconds) or self._spoilt(fate, asked):
            return
        if asked.is_streamed:
            self._stream(asked, told, fate.fault)
        else:
            self._whole(asked, told, fate.fault)

    def _is_known(self) -> bool:
        key = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if key and not key.startswith("wrong"):
            return True
        self._refuse_key()
        return False

    def _refuse_key(self) -> None:
        """Repeat the key in the refusal, as careless providers do."""
        key = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        self._refuse(HTTPStatus.UNAUTHORIZED, f"Incorrect API key provided: {key}", "invalid_api_key")

    def _admitted(self, asked: wire.Asked, *, is_billed: bool) -> dict[str, str]:
        """Count the request under the limits, and bill it; return the headers that tell of them."""
        limits, meter = self.server.fortune.behaviour, self.server.meter
        n = asked.tokens_in + asked.tokens_out
        wait_seconds = meter.admit(time.monotonic(), n, rpm=limits.rpm, tpm=limits.tpm)
        told: dict[str, str] = {"retry-after": f"{wait_seconds:.3f}"} if wait_seconds else {}
        meter.tokens_billed += n if is_billed and not wait_seconds else 0
        for name, limit, used in (
            ("requests", limits.rpm, len(meter.admitted)),
            ("tokens", limits.tpm, meter.tokens),
        ):
            if limit and not limits.is_shy:
                told[f"x-ratelimit-limit-{name}"] = str(limit)
                told[f"x-ratelimit-remaining-{name}"] = str(max(limit - used, 0))
        return told

    def _wait(self, seconds: float) -> bool:
        """Return whether the server stops meanwhile; the connection is closed then."""
        self.close_connection = self.server.is_closing.wait(seconds)
        return self.close_connection

    def _spoilt(self, fate: Fate, asked: wire.Asked) -> bool:
        """Answer as the fault wants it; return whether it did."""
        behaviour = self.server.fortune.behaviour
        if fate.fault in ("429", "429_bare"):
            after = {"retry-after": f"{behaviour.retry_after_seconds:g}"} if fate.fault == "429" else {}
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", "rate_limit_exceeded", after)
        elif fate.fault in ("500", "503"):
            self._refuse(HTTPStatus(int(fate.fault)), "the server is in trouble, as asked", "server_error")
        elif fate.fault == "401":
            self._refuse_key()
        elif fate.fault == "timeout":
            self._wait(behaviour.hang_seconds)
            self.close_connection = True
        elif fate.fault == "malformed":
            self._send(HTTPStatus.OK, b'{"id": "chatcmpl-broken", "choices": [{"mess', "application/json", {})
        return fate.fault in (*_FREE, "timeout", "malformed")

    def _whole(self, asked: wire.Asked, told: dict[str, str], fault: str) -> None:
        body = json.dumps(wire.completion(asked)).encode()
        if fault not in ("cut", "hang"):
            self._send(HTTPStatus.OK, body, "application/json", told)
            return
        self._head(HTTPStatus.OK, "application/json", told | {"Content-Length": str(len(body))})
        self._stop_at(body[: len(body) // 2], fault)

    def _stream(self, asked: wire.Asked, told: dict[str, str], fault: str) -> None:
        self._head(HTTPStatus.OK, "text/event-stream", told | {"Transfer-Encoding": "chunked"})
        pieces, pace = list(wire.chunks(asked)), self.server.fortune.behaviour.words_per_second
        for n, piece in enumerate(pieces):
            if fault in ("cut", "hang") and n >= len(pieces) // 2:
                self._stop_at(b"", fault)
                return
            self._chunk(b"data: " + json.dumps(piece).encode() + b"\n\n")
            if pace and self._wait(3 / pace):
                return
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _stop_at(self, data: bytes, fault: str) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        if fault == "hang":
            self._wait(self.server.fortune.behaviour.hang_seconds)
        self.close_connection = True

    def _body(self) -> Any:
        """Return the JSON that was sent, or None after an error was answered."""
        length = self.headers.get("Content-Length", "")
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in {"127.0.0.1", "localhost"}:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to 127.0.0.1 only", "host")
        elif not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._refuse(
                HTTPStatus.BAD_REQUEST, f"send at most {MAX_BODY_BYTES:,} bytes with their length", "length"
            )
        elif self.headers.get_content_type() != "application/json":
            # A page in a browser cannot send this type to another site unasked, so it cannot steer this one.
            self.close_connection = True
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json", "type")
        else:
            try:
                return json.loads(self.rfile.read(int(length)))
            except ValueError:
                self._refuse(HTTPStatus.BAD_REQUEST, "the body is not JSON", "invalid_request_error")
        return None

    def _refuse(
        self, status: HTTPStatus, text: str, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self._json(status, wire.problem(text, kind), headers)

    def _json(self, status: HTTPStatus, body: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers or {})

    def _send(self, status: HTTPStatus, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self._head(status, kind, headers | {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
