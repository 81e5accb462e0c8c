"""A server that plays Google: it gives tokens to a service account, and speaks Vertex's wire to who shows one.

The wire is the rehearsal model's, at the path that Vertex has it.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from agentops.demo.rehearsal.server import RehearsalModel, _Handler

WHO = "agents@project.iam.gserviceaccount.com"
PATH = "/v1/projects/project/locations/europe-west1/endpoints/openapi"


class Google(RehearsalModel):
    """Gives a token that holds for `seconds`, or the next of the statuses `refusals`; `asked` is who asked for models, by their header."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _Google
        self.seconds, self.refusals, self.asked = 3600, list[int](), list[str]()
        self.n_tokens, self.claims = 0, dict[str, Any]()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def account(self) -> str:
        """The JSON key of an account that this server knows."""
        pem = _key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account", "project_id": "project", "private_key_id": "k1", "private_key": pem.decode(),
                "client_email": WHO, "token_uri": f"{self.root}/token",
            }, indent=2,
        )  # fmt: skip

    def token(self) -> str:
        return f"ya29.token-{self.n_tokens}"


@contextmanager
def google() -> Iterator[Google]:
    with Google() as server:
        server.behave(latency_ms=0)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class _Google(_Handler):
    server: Google

    def do_POST(self) -> None:  # noqa: N802 -- the name is the base class's
        if self.path == "/token":
            self._give_token()
            return
        shown = self.headers.get("Authorization", "")
        self.server.asked.append(shown)
        if self.path != f"{PATH}/chat/completions" or shown != f"Bearer {self.server.token()}":
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(401, {"error": {"message": f"{shown} does not open {self.path}"}})
            return
        self.path = "/v1/chat/completions"
        super().do_POST()

    def _give_token(self) -> None:
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        told, _, signed = given["assertion"][0].rpartition(".")
        try:
            _key().public_key().verify(_decoded(signed), told.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            self._answer(401, {"error": "invalid_client"})
            return
        if self.server.refusals:
            self._answer(self.server.refusals.pop(), {"error": "invalid_grant", "error_description": told})
            return
        self.server.claims = json.loads(_decoded(told.split(".")[1])) | {"grant_type": given["grant_type"][0]}
        self.server.n_tokens += 1
        self._answer(
            200,
            {"access_token": self.server.token(), "expires_in": self.server.seconds, "token_type": "Bearer"},
        )

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
