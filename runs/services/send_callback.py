"""One request of a callback: take it, send it, note what came of it.

Taking is one conditional UPDATE that makes the row the taker's until the lease is over; nothing is held while the
request is under way. A sender that dies leaves an attempt without an end, and the next one takes over.
"""

import random
import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import httpx

from agentops.common.canonical import clean_json
from agentops.common.conf import conf
from agentops.common.standard_webhooks import headers_of
from runs.engine.errors import ToolError
from runs.journal.fence import execute
from runs.services.callback_keys import signing_keys
from runs.tools.exchange import exchange, retry_after_seconds

# After each failed attempt; in sum 5 s, 5 and 30 min, 2, 5, 10, 14, 20 and 24 h from the first one on.
DELAYS_SECONDS = (5, 300, 1500, 5400, 10_800, 18_000, 14_400, 21_600, 14_400)
MAX_ATTEMPTS = len(DELAYS_SECONDS) + 1
GONE = 410
MAX_ANSWER_BYTES = 500
# The look-up of a name knows no time-out of ours.
LEASE_MARGIN_SECONDS = 45.0

_TAKE = """
WITH c AS (
    UPDATE runs_callback SET state = 'sending', attempts = attempts + 1,
        due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    WHERE id = (SELECT id FROM runs_callback WHERE state IN ('due', 'sending') AND due_at <= clock_timestamp()
                AND host <> ALL(%(busy)s::text[]) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, team_id, url, host, body, attempts, attempts - attempts_before AS tries),
a AS (INSERT INTO runs_callbackattempt (callback_id, number, team_id) SELECT id, attempts, team_id FROM c)
SELECT id, team_id, url, host, body, attempts, tries, extract(epoch from clock_timestamp())::bigint FROM c
"""
_NOTE = """
WITH a AS (
    UPDATE runs_callbackattempt SET ended_at = clock_timestamp(), http_status = %(http_status)s,
        elapsed_ms = %(elapsed_ms)s, error_code = %(error_code)s, message = %(message)s, answer = %(answer)s
    WHERE callback_id = %(id)s AND number = %(number)s)
UPDATE runs_callback SET state = %(state)s::text,
    due_at = clock_timestamp() + make_interval(secs => %(delay_seconds)s),
    settled_at = CASE WHEN %(state)s::text = 'due' THEN NULL ELSE clock_timestamp() END
WHERE id = %(id)s AND state = 'sending' AND attempts = %(number)s RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is ours to send: `number` of all, `tries` since somebody last asked for it."""

    id: UUID
    url: str
    host: str
    body: bytes
    number: int
    tries: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request; `http_status` is None when no answer came, and `error_code` then says why."""

    elapsed_ms: int
    http_status: int | None = None
    error_code: str = ""
    message: str = ""
    answer: str = ""
    retry_after_seconds: float | None = None

    @property
    def is_delivered(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300


def take_callback(busy_hosts: Collection[str] = ()) -> Taken | None:
    """Return a request that is due, counted and signed, and ours until its lease is over; None when there is none.

    Transaction: none open; one statement.
    """
    lease_seconds = conf().callback_timeout_seconds + LEASE_MARGIN_SECONDS
    row = execute(_TAKE, {"busy": sorted(busy_hosts), "lease_seconds": lease_seconds})
    if row is None:
        return None
    callback_id, team_id, url, host, body, number, tries, now = row
    headers = headers_of(str(callback_id), now, bytes(body), signing_keys(team_id))
    return Taken(callback_id, url, host, bytes(body), number, tries, headers)


def send_callback(taken: Taken) -> Answered:
    """Return what the receiver answered, or why it did not. Never raises; touches no database."""
    began = time.monotonic()
    headers = {**taken.headers, "Content-Type": "application/json", "User-Agent": "AgentOps-Callback/1.0"}
    deadline = began + conf().callback_timeout_seconds
    try:
        with exchange(
            "POST", taken.url, deadline=deadline, headers=headers, content=taken.body, any_status=True
        ) as response:
            return _answered(response, began)
    except ToolError as error:
        return Answered(_ms_since(began), error_code=error.error_code, message=str(error)[:500])
    except Exception as error:  # noqa: BLE001 -- the boundary: whatever a receiver brings about is its answer
        return Answered(_ms_since(began), error_code=type(error).__name__[:100], message=str(error)[:500])


def note_answer(taken: Taken, answered: Answered) -> bool:
    """Log the attempt and settle the callback, or say when it is due again; False when it was no longer ours.

    Transaction: none open; one statement.
    """
    is_over = answered.http_status == GONE or taken.tries >= MAX_ATTEMPTS
    state = "delivered" if answered.is_delivered else "given_up" if is_over else "due"
    delay_seconds = until_next(taken.tries, answered.retry_after_seconds) if state == "due" else 0.0
    values = {
        "id": taken.id, "number": taken.number, "state": state, "delay_seconds": delay_seconds,
        "http_status": answered.http_status, "elapsed_ms": answered.elapsed_ms, "error_code": answered.error_code,
        "message": str(clean_json(answered.message)), "answer": str(clean_json(answered.answer)),
    }  # fmt: skip
    return execute(_NOTE, values) is not None


def _answered(response: httpx.Response, began: float) -> Answered:
    elapsed_ms = _ms_since(began)
    status = response.status_code
    message = f"{status} {response.reason_phrase}".strip()
    if response.has_redirect_location:
        message += f": redirects are not followed; it leads to {response.headers['location']}"
    return Answered(
        elapsed_ms,
        status,
        "" if 200 <= status < 300 else f"http_{status}",
        message[:500],
        _first_bytes(response),
        retry_after_seconds(response.headers),
    )


def _first_bytes(response: httpx.Response) -> str:
    """Return the beginning of the answer; what goes wrong while it comes does not undo its status."""
    body = bytearray()
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= MAX_ANSWER_BYTES:
                break
    except httpx.HTTPError:
        body += b"\xe2\x80\xa6"
    return bytes(body[:MAX_ANSWER_BYTES]).decode("utf-8", "replace")


def until_next(tries: int, retry_after: float | None) -> float:
    """Return after how many seconds the next attempt comes; `tries` have failed."""
    planned = DELAYS_SECONDS[min(tries, len(DELAYS_SECONDS)) - 1]
    jittered = planned * random.uniform(0.9, 1.1)  # noqa: S311 -- spreads requests, hides nothing
    return max(jittered, retry_after or 0.0)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
