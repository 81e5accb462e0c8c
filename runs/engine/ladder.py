"""What an author writes a recovery policy with: `from runs.program import heal`, then `heal.on(…)`."""

from runs.engine.failures import is_of
from runs.engine.recovery import on
from runs.engine.rungs import (
    ask,
    cached_read,
    dead_letter,
    longer_timeout,
    other_model,
    other_tool,
    reduced_tools,
    retry,
    skip,
)

__all__ = [
    "ask", "cached_read", "dead_letter", "is_of", "longer_timeout", "on", "other_model", "other_tool", "reduced_tools", "retry",
    "skip",
]  # fmt: skip
