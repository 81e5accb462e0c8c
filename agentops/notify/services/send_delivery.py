"""One attempt at a delivery: take it, send it, note what came of it.

Taking is one conditional UPDATE that makes the row the taker's until the lease is over; nothing is held while a server
is spoken to. Whoever dies between sending and noting leaves an attempt without an end, and the next one sends again,
with the same id: at least once, never lost, and told apart by the id at the receiver.
"""

import smtplib
import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from agentops.common.canonical import clean_json
from agentops.common.conf import conf
from agentops.common.sealing import unseal
from agentops.common.standard_webhooks import headers_of
from agentops.notify.topics import Channel
from runs.journal.fence import execute
from runs.services.callback_keys import signing_keys
from runs.services.send_callback import LEASE_MARGIN_SECONDS, Answered, Taken, send_callback, until_next

MAX_ATTEMPTS = 8
MAIL_OK = 250

_TAKE = """
WITH d AS (
    UPDATE notify_delivery SET state = 'sending', attempts = attempts + 1,
        due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    WHERE id = (SELECT id FROM notify_delivery WHERE state IN ('due', 'sending') AND due_at <= clock_timestamp()
                AND host <> ALL(%(busy)s::text[]) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, team_id, notice_id, channel, user_id, endpoint_id, host, attempts, attempts - attempts_before AS tries),
a AS (INSERT INTO notify_deliveryattempt (delivery_id, number) SELECT id, attempts FROM d)
SELECT d.id, d.team_id, d.channel, d.host, d.attempts, d.tries, n.id, n.topic, n.title, n.text, n.path,
    extract(epoch from n.created_at)::float8, u.email, e.id, e.url, t.name, extract(epoch from clock_timestamp())::bigint
FROM d JOIN notify_notice n ON n.id = d.notice_id JOIN accounts_team t ON t.id = d.team_id
    LEFT JOIN accounts_user u ON u.id = d.user_id LEFT JOIN notify_endpoint e ON e.id = d.endpoint_id
"""
_NOTE = """
WITH a AS (
    UPDATE notify_deliveryattempt SET ended_at = clock_timestamp(), status = %(status)s, error_code = %(error_code)s,
        message = %(message)s
    WHERE delivery_id = %(id)s AND number = %(number)s)
UPDATE notify_delivery SET state = %(state)s::text,
    due_at = clock_timestamp() + make_interval(secs => %(delay_seconds)s),
    settled_at = CASE WHEN %(state)s::text = 'due' THEN NULL ELSE clock_timestamp() END
WHERE id = %(id)s AND state = 'sending' AND attempts = %(number)s RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person."""

    id: UUID
    host: str
    to: str
    subject: str
    text: str
    number: int
    tries: int


Outgoing = Mail | Taken


def take_delivery(busy_hosts: Collection[str] = ()) -> Outgoing | None:
    """Return a delivery that is due, counted, and ours until its lease is over; None when there is none.

    Transaction: none open; one statement.
    """
    lease_seconds = conf().callback_timeout_seconds + LEASE_MARGIN_SECONDS
    row = execute(_TAKE, {"busy": sorted(busy_hosts), "lease_seconds": lease_seconds})
    if row is None:
        return None
    (delivery_id, team_id, channel, host, number, tries, notice_id, topic, title, text, path, created, email,
     endpoint_id, url, team, now) = row  # fmt: skip
    link = settings.PUBLIC_URL + path if path else ""
    if channel == Channel.MAIL:
        return Mail(
            delivery_id, host, email, f"[{team}] {title}", _mail_text(title, text, link), number, tries
        )
    body = orjson.dumps(
        {"text": "\n".join(part for part in (f"*{title}*", text, link) if part)}
        if channel == Channel.SLACK
        else {"type": f"notice.{topic}", "timestamp": created, "notice": {
            "id": notice_id, "topic": topic, "title": title, "text": text, "url": link, "path": path}}
    )  # fmt: skip
    try:
        address = unseal(bytes(url), place=f"endpoint {team_id} {endpoint_id}").decode()
    except ValueError:
        address = ""
    headers = (
        {} if channel == Channel.SLACK else headers_of(str(delivery_id), now, body, signing_keys(team_id))
    )
    return Taken(delivery_id, address, host, body, number, tries, headers)


def send_delivery(taken: Outgoing) -> Answered:
    """Return what came back, or why nothing did. Never raises; touches no database."""
    if isinstance(taken, Taken):
        return send_callback(taken)
    began = time.monotonic()
    try:
        mail = EmailMessage(
            taken.subject, taken.text, None, [taken.to], connection=get_connection(timeout=conf().callback_timeout_seconds),
            headers={"Message-ID": f"<{taken.id}@agentops>", "Auto-Submitted": "auto-generated"},
        )  # fmt: skip
        mail.send()
    except smtplib.SMTPResponseException as error:
        message = (
            error.smtp_error.decode("utf-8", "replace")
            if isinstance(error.smtp_error, bytes)
            else error.smtp_error
        )
        return Answered(_ms_since(began), error.smtp_code, f"smtp_{error.smtp_code}", message[:500])
    except Exception as error:  # noqa: BLE001 -- the boundary: whatever a mail server brings about is its answer
        return Answered(_ms_since(began), error_code=type(error).__name__[:100], message=str(error)[:500])
    return Answered(_ms_since(began), MAIL_OK, "", "taken by the mail server")


def note_delivery(taken: Outgoing, answered: Answered) -> bool:
    """Log the attempt and settle the delivery, or say when it is due again; False when it was no longer ours.

    Transaction: none open; one statement.
    """
    is_over = answered.http_status == 410 or taken.tries >= MAX_ATTEMPTS
    state = "delivered" if answered.is_delivered else "given_up" if is_over else "due"
    delay = until_next(taken.tries, answered.retry_after_seconds) if state == "due" else 0.0
    values = {
        "id": taken.id, "number": taken.number, "state": state, "delay_seconds": delay, "status": answered.http_status,
        "error_code": answered.error_code, "message": str(clean_json(answered.message)),
    }  # fmt: skip
    return execute(_NOTE, values) is not None


def _mail_text(title: str, text: str, link: str) -> str:
    """Return the body: what happened, and where to look. Nothing in it decides anything."""
    return "\n\n".join(part for part in (title, text, link) if part) + "\n"


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
