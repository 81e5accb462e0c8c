"""Signatures of messages between servers, as Standard Webhooks writes them (pure).

What is signed is `id.timestamp.body`, the body as the very bytes that are sent: JSON that was read and written again
is another message. Several signatures may stand side by side, so that a secret can be changed without a gap.
Source: the Standard Webhooks specification, symmetric signatures (`v1`).
"""

import base64
import hmac
from collections.abc import Iterable, Mapping

SECRET_PREFIX = "whsec_"  # noqa: S105 -- the public beginning of every secret, by which leaked ones are recognised
MAX_SIGNATURES = 8


def secret_text(key: bytes) -> str:
    """Return the form in which a key is handed to the receiver."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def headers_of(message_id: str, timestamp: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the three headers of a message sent at `timestamp` (Unix seconds), signed with each of the keys."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def is_signed(headers: Mapping[str, str], body: bytes, key: bytes) -> bool:
    """Return whether one of the signatures in the headers is of this message; malformed ones are none."""
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = _signature(key, content).encode()
    given = headers["webhook-signature"].encode("ascii", "replace").split()
    return any(hmac.compare_digest(one, expected) for one in given[:MAX_SIGNATURES])


def key_of_text(text: str) -> bytes:
    """Return the key in a secret as it is handed over, `whsec_…` or plain base64.

    Raises: ValueError
    """
    return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
