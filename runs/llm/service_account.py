"""Service accounts of Google: what their JSON key holds, and the signed word by which a token is asked for.

Source: RFC 7523; Google, "Using OAuth 2.0 for Server to Server Applications".
"""

import base64
import json
import time
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFE_SECONDS = 3600
NEEDED = ("client_email", "private_key", "token_uri")


def account_of(key: str) -> dict[str, str]:
    """Return the service account that the text describes.

    Raises: ValueError saying what it is not.
    """
    try:
        found = json.loads(key)
        missing = [name for name in NEEDED if not isinstance(found[name], str)]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"is not the JSON key of a service account, with {', '.join(NEEDED)}") from None
    if missing:
        raise ValueError(f"must have text as {missing[0]}")
    _private_key(found["private_key"])
    return {name: value for name, value in found.items() if isinstance(value, str)}


def assertion_of(account: dict[str, str]) -> str:
    """Return what the account signs: who it is, what it wants, and until when that counts."""
    now = int(time.time())
    head = {"alg": "RS256", "typ": "JWT", "kid": account.get("private_key_id", "")}
    claims = {
        "iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"], "iat": now, "exp": now + LIFE_SECONDS,
    }  # fmt: skip
    told = f"{_part(head)}.{_part(claims)}"
    signed = _private_key(account["private_key"]).sign(told.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{told}.{_encoded(signed)}"


def _part(claims: dict[str, Any]) -> str:
    return _encoded(json.dumps(claims).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _private_key(text: str) -> rsa.RSAPrivateKey:
    try:
        found = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ValueError("must have an RSA key as private_key")  # noqa: TRY004 -- a value that does not fit
    return found
