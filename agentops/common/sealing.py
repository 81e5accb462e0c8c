"""Secrets at rest: sealed under a key that does not stand in the database.

AES-256-GCM under a key derived from INTEGRITY_KEY; what a secret is for and whose it is stands under the seal, so a sealed
value that is copied to another row does not open. Source: NIST SP 800-38D; RFC 5869 for the derived key.
"""

import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE_BYTES = 12


def seal(secret: bytes, *, place: str) -> bytes:
    """Return the secret sealed for `place`, which names its table, row and use."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(settings.INTEGRITY_KEY).encrypt(nonce, secret, place.encode())


def unseal(sealed: bytes, *, place: str) -> bytes:
    """Return the secret.

    Raises: ValueError when it was sealed for another place, under another key, or altered.
    """
    try:
        return _cipher(settings.INTEGRITY_KEY).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode()
        )
    except InvalidTag:
        raise ValueError(f"what is stored for {place} does not open under this server's key") from None


@lru_cache(maxsize=4)
def _cipher(key: str) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"agentops sealed secrets").derive(
        key.encode()
    )
    return AESGCM(derived)
