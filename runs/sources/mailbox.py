"""New messages of a mailbox, read over IMAP; they stay unread there, and attachments are not taken."""

import hashlib
import imaplib
import re
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.sources.port import NETWORK_TIMEOUT_SECONDS, Batch, Found, Place, Reading, SourceError

BATCH = 20
MAX_MESSAGE_BYTES = 1 << 20
MAX_TEXT_CHARACTERS = 100_000
MAX_ATTACHMENTS = 100


def read_mailbox(place: Place) -> Reading:
    """Yield the messages after the position, `{"validity", "uid"}`, in the order of their numbers.

    A server that numbers its messages anew is read from the beginning: a message is known by its header.

    Raises: SourceError
    """
    try:
        client = _connected(place)
    except ssl.SSLError as error:
        raise SourceError(
            f"no encrypted connection comes about; check port, name and certificate ({error})"
        ) from error
    except (imaplib.IMAP4.error, OSError) as error:
        raise SourceError(
            f"the mail server does not answer; check host and port ({_told(error) or 'no answer in time'})"
        ) from error
    try:
        _sign_in(client, place)
        yield from _messages(client, place)
    except (imaplib.IMAP4.error, OSError) as error:
        raise SourceError(
            f"the mailbox cannot be read; check its name ({_told(error) or 'no answer in time'})"
        ) from error
    finally:
        _leave(client)


def _connected(place: Place) -> imaplib.IMAP4:
    host, port = place.text("host"), int(place.text("port"))
    if not place.settings["tls"]:
        return imaplib.IMAP4(host, port, timeout=NETWORK_TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    return imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=NETWORK_TIMEOUT_SECONDS)


def _sign_in(client: imaplib.IMAP4, place: Place) -> None:
    user = place.text("user")
    try:
        if "AUTH=PLAIN" in client.capabilities:
            client.authenticate("PLAIN", lambda _: f"\0{user}\0{place.secret}".encode())
        else:
            client.login(_quoted(user), place.secret)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        raise SourceError(
            f"the mail server refuses to sign in; check the user, and give another password under “New secret…” ({_told(error)})"
        ) from error


def _messages(client: imaplib.IMAP4, place: Place) -> Iterator[Batch]:
    _ok(client.select(_quoted(place.text("mailbox")), readonly=True))
    validity = _number(client, "UIDVALIDITY")
    position = place.position
    if not isinstance(position, dict):
        last = 0 if place.settings["from_start"] else max(_uids(client, 0), default=0)
        yield Batch((), {"validity": validity, "uid": last})
    elif position.get("validity") != validity:
        last = 0
    else:
        last = int(str(position["uid"]))
    uids = _uids(client, last)
    for start in range(0, len(uids), BATCH):
        some = uids[start : start + BATCH]
        found = [one for uid in some if (one := _found(client, uid))]
        yield Batch(found, {"validity": validity, "uid": some[-1]})


def _uids(client: imaplib.IMAP4, after: int) -> list[int]:
    """Return the numbers above `after`; a server names its last message in any case."""
    told = _ok(client.uid("SEARCH", f"UID {after + 1}:*"))
    return sorted(uid for uid in map(int, (told[0] or b"").split()) if uid > after)


def _found(client: imaplib.IMAP4, uid: int) -> Found | None:
    """Return the message as an event; None when it was deleted meanwhile."""
    told = _ok(client.uid("FETCH", str(uid), f"(RFC822.SIZE BODY.PEEK[]<0.{MAX_MESSAGE_BYTES}>)"))
    parts = [one for one in told if isinstance(one, tuple)]
    if not parts:
        return None
    raw = bytes(parts[0][1])
    size = re.search(rb"RFC822\.SIZE (\d+)", b" ".join(part[0] for part in parts))
    header = raw.partition(b"\r\n\r\n")[0]
    message = message_from_bytes(raw, policy=policy.default)
    sender = parseaddr(_header(message, "From"))[1]
    payload = _payload(message) | {"from": sender, "size_bytes": int(size[1]) if size else len(raw)}
    return Found(hashlib.sha256(header).hexdigest(), "mail", payload, key=sender[:200])


def _payload(message: EmailMessage) -> JsonObject:
    text = _body(message)
    attachments: list[JsonValue] = [
        {"name": part.get_filename() or "", "type": part.get_content_type()} for part in _attached(message)
    ]
    return {
        "sender": _header(message, "From"), "to": _header(message, "To"), "cc": _header(message, "Cc"),
        "subject": _header(message, "Subject"), "date": _header(message, "Date"),
        "message_id": _header(message, "Message-ID"), "in_reply_to": _header(message, "In-Reply-To"),
        "text": text[:MAX_TEXT_CHARACTERS], "is_cut": len(text) > MAX_TEXT_CHARACTERS, "attachments": attachments,
    }  # fmt: skip


def _header(message: EmailMessage, name: str) -> str:
    """Return a header as text, decoded; empty where there is none, or none that can be read."""
    try:
        return " ".join(str(message.get(name, "")).split())[:2000]
    except (
        ValueError,
        LookupError,
        IndexError,
        AttributeError,
        TypeError,
    ):  # what the parser does with nonsense
        return ""


def _body(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        return str(part.get_content()) if part else ""
    except (ValueError, LookupError, AttributeError, TypeError):
        return ""


def _attached(message: EmailMessage) -> list[Any]:
    try:
        return list(message.iter_attachments())[:MAX_ATTACHMENTS]
    except (ValueError, AttributeError, TypeError):
        return []


def _number(client: imaplib.IMAP4, name: str) -> int:
    told: Any = client.response(name)[1][0]
    return int(told or 0)


def _ok(answer: tuple[str, Any]) -> list[Any]:
    kind, told = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(_told(told))
    return list(told)


def _quoted(text: str) -> str:
    if any(character < " " for character in text):
        raise SourceError("names of users and mailboxes hold no line breaks")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _told(error: Any) -> str:
    if isinstance(error, list):
        error = error[0] if error else ""
    if isinstance(error, Exception) and error.args and isinstance(error.args[0], bytes):
        error = error.args[0]
    return error.decode("utf-8", "replace") if isinstance(error, bytes) else str(error)


def _leave(client: imaplib.IMAP4) -> None:
    try:
        client.logout()
    except (imaplib.IMAP4.error, OSError):
        client.shutdown()
