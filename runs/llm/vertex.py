"""Models on Google's Vertex, which speaks OpenAI's wire; the key is the JSON key of a service account.

With it a token is asked for that opens Vertex for an hour. The token stands in the memory of this process only; neither
credentials nor projects that a worker's environment may name are used. Source: Vertex AI, "Chat completions API"; RFC 7523.
"""

import asyncio
import time
from collections.abc import AsyncGenerator

import httpx2

from runs.llm.errors import ModelError, Trouble
from runs.llm.service_account import LIFE_SECONDS, assertion_of

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Asked for, it tells whether the account may use Vertex, and costs nothing.
NOBODYS_MODEL = "google/agentops-no-such-model"
# A token that ends on the way is refused; the next is asked for a little before.
MARGIN_SECONDS = 300


class VertexAuth(httpx2.Auth):
    """Opens requests with a token of the account's, which all requests share until it ends."""

    def __init__(self, account: dict[str, str]) -> None:
        self._account, self._asking = account, asyncio.Lock()
        self.token, self._until = "", 0.0

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Raises: ModelError when the account is not taken."""
        async with self._asking:
            if time.monotonic() >= self._until:
                asked_at = time.monotonic()
                given = yield self._token_request()
                await given.aread()
                self._take(given, asked_at)
        request.headers["Authorization"] = f"Bearer {self.token}"
        answer = yield request
        if answer.status_code == 401:
            self._until = 0.0

    def _token_request(self) -> httpx2.Request:
        given = {"grant_type": GRANT, "assertion": assertion_of(self._account)}
        return httpx2.Request("POST", self._account["token_uri"], data=given)

    def _take(self, answer: httpx2.Response, asked_at: float) -> None:
        status = answer.status_code
        try:
            told = answer.json()
            token, seconds = told.get("access_token"), told.get("expires_in", LIFE_SECONDS)
        except (ValueError, AttributeError):
            token, seconds = None, 0
        if status != 200 or not isinstance(token, str) or not isinstance(seconds, int | float):
            trouble = Trouble.REFUSED if 400 <= status < 500 and status != 429 else Trouble.UNAVAILABLE
            text = (
                f"no token for {self._account['client_email']}: its account was answered with status {status}"
            )
            raise ModelError(trouble, text)
        self.token, self._until = token, asked_at + max(seconds - MARGIN_SECONDS, 0)
