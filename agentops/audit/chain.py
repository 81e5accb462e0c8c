"""The codes of a chain of entries: each covers the entry, its place, and the code before it.

The key is derived from the installation's, which does not stand in the database: who can write to the database alone
can take rows away or change them, but cannot make the chain fit again.
"""

import hmac
from datetime import UTC
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from agentops.audit.models import Entry
from agentops.common.canonical import canonical_bytes
from agentops.common.types import JsonValue

NO_TEAM = UUID(int=0)
BEGINNING = b""


def seal_of(entry: Entry, seq: int, previous: bytes) -> bytes:
    """Return the 32-byte seal of an entry at the place `seq`, behind the seal `previous`."""
    content: JsonValue = [
        "audit.v1", str(entry.chain_id), seq, previous.hex(), str(entry.id), entry.at.astimezone(UTC).isoformat(),
        entry.actor, entry.user_id, str(entry.token_id or ""), entry.action, entry.subject_kind, entry.subject_id,
        entry.detail,
    ]  # fmt: skip
    return _mac(content)


def head_mac(chain_id: UUID, seq: int, seal: bytes) -> bytes:
    """Return the code of a chain's head."""
    return _mac(["audit.head.v1", str(chain_id), seq, seal.hex()])


def _mac(content: JsonValue) -> bytes:
    return hmac.digest(_key(settings.INTEGRITY_KEY), canonical_bytes(content), "sha256")


@lru_cache(maxsize=4)
def _key(key: str) -> bytes:
    return hmac.digest(key.encode(), b"agentops audit chain", "sha256")
