"""Retry policies: how often, and how long to wait."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `max_attempts` tries with exponential back-off and full jitter.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), "full jitter".
    """

    max_attempts: int = 4
    first_seconds: float = 1.0
    factor: float = 2.0
    max_seconds: float = 300.0

    def ceiling_seconds(self, attempt: int) -> float:
        """Return the longest wait after the failed `attempt` (counted from 1)."""
        return min(self.max_seconds, self.first_seconds * self.factor ** min(attempt - 1, 64))

    def delay_seconds(
        self, attempt: int, jitter: float, retry_after_seconds: float | None = None
    ) -> float | None:
        """Return how long to wait after the failed `attempt`, or None when it was the last.

        `jitter` is a random number in [0, 1). What the other side asked for is never undercut.
        """
        if attempt >= self.max_attempts:
            return None
        return max(self.ceiling_seconds(attempt) * jitter, retry_after_seconds or 0.0)


ONCE = RetryPolicy(max_attempts=1)
