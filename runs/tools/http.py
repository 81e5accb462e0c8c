"""The tools `http.get` and `http.post`: the web, within limits (their errors: runs.tools.exchange)."""

import re
import time
from typing import Annotated, Any
from urllib.parse import urljoin

import httpx
import orjson
from pydantic import Field

from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import ToolError
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall
from runs.tools.exchange import exchange, read_body
from runs.tools.readable import readable
from runs.tools.registry import tool

MAX_REDIRECTS = 5
MAX_LINKS = 1000
MAX_ANSWER_BYTES = 1 << 20
RETRY = RetryPolicy(max_attempts=4, first_seconds=0.5, max_seconds=60.0)
_TEXTUAL = re.compile(r"text/.*|application/([\w.-]+\+)?(json|xml)")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]+)", re.IGNORECASE)


@tool("http.get", effect=Effect.READ, timeout_seconds=20.0, retry=RETRY)
def http_get(
    call: ToolCall,
    url: str,
    pause_seconds: Annotated[float, Field(ge=0, le=5)] = 0.0,
    max_bytes: Annotated[int, Field(ge=1, le=16 << 20)] = 4 << 20,
    max_text_chars: Annotated[int, Field(ge=0, le=1_000_000)] = 20_000,
) -> JsonObject:
    """Read a page: its title, readable text and links. Redirects are followed.

    `pause_seconds` is waited before the request, so that a crawler keeps to the pace a site asks for.
    JSON and XML are given as they are, in `text`. `is_truncated` says that `max_text_chars` cut the text.
    """
    time.sleep(pause_seconds)
    began = time.monotonic()
    response, body = followed(url, began + call.timeout_seconds, max_bytes, is_text=True)
    text = _decoded(response, body)
    title, text, links = _content(response, text)
    return {
        "url": str(response.url),
        "status": response.status_code,
        "title": title,
        "text": text[:max_text_chars],
        "is_truncated": len(text) > max_text_chars,
        "links": links[:MAX_LINKS],
        "etag": response.headers.get("etag", ""),
        "bytes": len(body),
        "elapsed_ms": round((time.monotonic() - began) * 1000),
    }


@tool("http.post", effect=Effect.WRITE, timeout_seconds=20.0, retry=RETRY)
def http_post(call: ToolCall, url: str, body: dict[str, Any]) -> JsonObject:
    """Send `body` as JSON with an `Idempotency-Key`; return status, location and JSON of the answer.

    Redirects are refused: what was meant for one place must not be done at another. The other side must honour
    the key, since a request whose answer was lost is sent again.
    """
    deadline = time.monotonic() + call.timeout_seconds
    headers = {"Idempotency-Key": call.idempotency_key, "Content-Type": "application/json"}
    content = orjson.dumps(body)
    with exchange("POST", url, deadline=deadline, headers=headers, content=content) as response:
        if response.has_redirect_location:
            raise ToolError(
                f"{url} redirects to {response.headers['location']}; post there if that is meant",
                code="http_redirect",
                retryable=False,
            )
        answer = read_body(response, max_bytes=MAX_ANSWER_BYTES)
    location = response.headers.get("location", "")
    return {
        "url": url,
        "status": response.status_code,
        "location": urljoin(url, location) if location else "",
        "json": _json(response, answer),
    }


def followed(
    url: str, deadline: float, max_bytes: int | None, *, is_text: bool = False
) -> tuple[httpx.Response, bytes]:
    """Return the answer at the end of the redirects, each of which is judged like the first address.

    With `is_text`, what says to be something else is refused; without `max_bytes` the body is left unread.

    Raises: ToolError
    """
    for _ in range(MAX_REDIRECTS + 1):
        with exchange("GET", url, deadline=deadline) as response:
            if not response.has_redirect_location:
                if is_text:
                    _check_type(response)
                return response, b"" if max_bytes is None else read_body(response, max_bytes=max_bytes)
        url = urljoin(url, response.headers["location"])
    raise ToolError(
        f"more than {MAX_REDIRECTS} redirects; the last leads to {url}", code="http_redirect", retryable=False
    )


def _content_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _check_type(response: httpx.Response) -> None:
    if response.status_code != 204 and not _TEXTUAL.fullmatch(_content_type(response)):
        raise ToolError(
            f"{response.url} is {_content_type(response) or 'of no stated type'}, not text",
            code="http_content_type",
            retryable=False,
        )


def _content(response: httpx.Response, text: str) -> tuple[str, str, list[JsonValue]]:
    if _content_type(response) not in ("text/html", "application/xhtml+xml"):
        return "", text, []
    page = readable(text, str(response.url))
    return page.title, page.text, list(page.links)


def _decoded(response: httpx.Response, body: bytes) -> str:
    """Return the text in the charset that the header names, else the page's own `<meta>`, else UTF-8."""
    meta = _META_CHARSET.search(body, 0, 2048)
    charset = response.charset_encoding or (meta[1].decode("ascii") if meta else "utf-8")
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _json(response: httpx.Response, body: bytes) -> Any:
    if not _content_type(response).endswith("json"):
        return None
    try:
        return orjson.loads(body)
    except ValueError as error:
        message = f"{response.url} answers what is not JSON"
        raise ToolError(message, code="http_protocol", is_outcome_unknown=True) from error
