"""One HTTP exchange with limits: a deadline, a size, judged addresses, and errors that say whether to try again.

| code | means | tried again |
|---|---|---|
| `http_url` | not an http or https URL, or one with a password in it | no |
| `http_refused` | the address is not public (runs.tools.addresses) | no |
| `http_dns`, `http_connect` | the name does not resolve; nobody listens | yes |
| `http_timeout` | no (whole) answer before the deadline | yes |
| `http_protocol` | the connection broke, or what came is not HTTP | yes |
| `http_5xx`, `http_408`, `http_425`, `http_429` | the server asks for patience | yes, after `Retry-After` |
| `http_404`, … | every other error status has the code of its number | no |
| `http_too_large`, `http_encoding` | more bytes than allowed; compressed although we refused that | no |

Where the request may have been carried out all the same, the error says so (`is_outcome_unknown`).
"""

import contextlib
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpcore
import httpx

from runs.engine.errors import ToolError
from runs.tools.addresses import public_addresses

USER_AGENT = "AgentOpsBot/1.0"
CONNECT_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 3600.0
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
_PATIENT_STATUS = frozenset({408, 425, 429})


@contextlib.contextmanager
def exchange(
    method: str,
    url: str,
    *,
    deadline: float,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    any_status: bool = False,
) -> Iterator[httpx.Response]:
    """Yield the answer to one request, its body unread; redirects are the caller's business.

    Nothing of the exchange goes on after `deadline`, which is meant by time.monotonic(). With `any_status`, answers
    from 400 on are yielded like the others.
    Raises: ToolError with a code of the table above.
    """
    sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
    with (
        _explained(url),
        httpx.Client(transport=_Transport(deadline), timeout=_left(deadline)) as client,
        client.stream(method, _checked(url), headers=sent, content=content) as response,
    ):
        if not any_status:
            _check_status(response)
        yield response


def place_of(url: str) -> tuple[str, int]:
    """Return the host and port that a URL leads to.

    Raises: ToolError `http_url` when it is not one that can be asked.
    """
    with _explained(url):
        parsed = _checked(url)
    return parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80)


def read_body(response: httpx.Response, *, max_bytes: int) -> bytes:
    """Return the body of an answer.

    Raises: ToolError `http_too_large` as soon as it is; `http_encoding` for a compressed one, which could
        unfold to any size.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _answered(f"{response.url} answers compressed, unasked", "http_encoding")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise _answered(f"{response.url} is larger than {max_bytes:,} bytes", "http_too_large")
    return bytes(body)


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """Return how long the server asks to wait, at most an hour; None when it does not say so.

    `Retry-After` is a number of seconds or a date, which is read against the server's own `Date`.
    Source: RFC 9110 §10.2.3.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        seconds = float(value)
    else:
        until, now = _date(value), _date(headers.get("date", "")) or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, over connections that are judged and end in time; no proxy, no reuse."""

    def __init__(self, deadline: float) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        # httpx offers no other way to choose the network below it; judging here leaves no gap before connecting.
        self._pool = httpcore.ConnectionPool(ssl_context=_tls(), network_backend=_Network(deadline))


class _Network(httpcore.SyncBackend):
    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = public_addresses(host, port)
        for address in addresses:
            seconds = min(CONNECT_SECONDS, _left(self._deadline))
            try:
                stream = super().connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if address == addresses[-1]:
                    raise
            else:
                return _Timed(stream, self._deadline)
        raise AssertionError("a name that resolves has an address")


class _Timed(httpcore.NetworkStream):
    """A stream on which one deadline holds for everything, so that a server cannot drip for ever."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Timed(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout("the time for the whole exchange is over")
    return left


def _checked(url: str) -> httpx.URL:
    parsed = httpx.URL(url)
    try:
        host = parsed.host
    except UnicodeError as error:
        raise httpx.InvalidURL("there can be no such host") from error
    if parsed.scheme not in ("http", "https") or not host:
        raise httpx.UnsupportedProtocol("only http:// and https:// addresses can be reached")
    if not _HOST.fullmatch(parsed.raw_host) or not 0 < (parsed.port or 1) < 65536:
        raise httpx.InvalidURL("there can be no such host or port")
    if parsed.userinfo:
        raise httpx.UnsupportedProtocol("an address must not hold a user name or password")
    return parsed


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn the client's errors into ToolErrors."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ToolError(f"{url[:200]!r}: {error}", code="http_url", retryable=False) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ToolError(f"{url} cannot be reached: {error}", code="http_connect") from error
    except httpx.TimeoutException as error:
        message = f"{url} did not answer in time"
        raise ToolError(message, code="http_timeout", is_outcome_unknown=True) from error
    except httpx.TransportError as error:
        message = f"the connection to {url} broke: {error}"
        raise ToolError(message, code="http_protocol", is_outcome_unknown=True) from error


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status < 400:
        return
    is_patient = status >= 500 or status in _PATIENT_STATUS
    raise ToolError(
        f"{response.url} answers {status} {response.reason_phrase}",
        code="http_5xx" if status >= 500 else f"http_{status}",
        retryable=is_patient,
        retry_after_seconds=retry_after_seconds(response.headers) if is_patient else None,
        is_outcome_unknown=status >= 500,
    )


def _answered(message: str, code: str) -> ToolError:
    """Return the error for an answer that is no use to us, although the other side may have done its work."""
    return ToolError(message, code=code, retryable=False, is_outcome_unknown=True)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
