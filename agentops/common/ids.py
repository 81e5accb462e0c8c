"""Time-ordered identifiers and random tokens."""

import secrets
import time
import uuid


def new_id() -> uuid.UUID:
    """Return a UUID version 7: 60 bits of Unix time, to a quarter of a microsecond, then random bits.

    Rows that are born together lie together in an index, in the order in which this process made them.
    Source: RFC 9562 §5.7, §6.2 method 3.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62
    return uuid.UUID(int=value | secrets.randbits(62))


def new_token() -> uuid.UUID:
    """Return a random token that marks one attempt to commit (PROTOCOL 5)."""
    return uuid.UUID(int=secrets.randbits(128))
