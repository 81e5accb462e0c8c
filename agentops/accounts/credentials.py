"""Secrets that we hand out once and keep only as SHA-256.

They are 256 random bits, so a plain hash is enough: there is nothing to guess that a slow one would protect.
"""

import hashlib
import secrets

TOKEN_PREFIX = "ao_"  # noqa: S105 -- the public beginning of every token, by which leaked ones are recognised
SHOWN_CHARACTERS = 9


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
