"""Time-ordered identifiers and random tokens."""

import secrets
import time
import uuid


def new_id() -> uuid.UUID:
    """Return a UUID version 7: 48 bits of Unix milliseconds, then random bits.

    Rows that are born together lie together in an index. Source: RFC 9562 §5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def new_token() -> uuid.UUID:
    """Return a random token that marks one attempt to commit (PROTOCOL 5)."""
    return uuid.UUID(int=secrets.randbits(128))
