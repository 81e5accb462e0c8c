"""What a concurrency limit counts."""

from enum import StrEnum


class LimitScope(StrEnum):
    """Whose running runs a limit counts, within its team."""

    AGENT = "agent"
    QUEUE = "queue"
    KEY = "key"
