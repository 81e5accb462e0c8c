"""What the rehearsal model counts: requests and tokens of the last minute, which its limits go by."""

from collections import Counter, deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class Meter:
    """Counts by a clock that it is told; not for two threads at once."""

    admitted: deque[tuple[float, int]] = field(default_factory=deque)
    statuses: Counter[int] = field(default_factory=Counter)
    peak_rpm: int = 0
    peak_tpm: int = 0
    tokens: int = 0
    tokens_billed: int = 0

    def admit(self, now: float, tokens: int, *, rpm: int, tpm: int) -> float:
        """Return 0 when the request fits under the limits, else the seconds until it would."""
        self._forget(now)
        wait_seconds = self._wait(now, tokens, rpm, tpm)
        if wait_seconds:
            return wait_seconds
        self.admitted.append((now, tokens))
        self.tokens += tokens
        self.peak_rpm = max(self.peak_rpm, len(self.admitted))
        self.peak_tpm = max(self.peak_tpm, self.tokens)
        return 0.0

    def figures(self) -> dict[str, object]:
        """Return what `GET /_stats` tells."""
        return {
            "requests": sum(self.statuses.values()), "statuses": {str(k): n for k, n in sorted(self.statuses.items())},
            "peak_rpm": self.peak_rpm, "peak_tpm": self.peak_tpm, "tokens_billed": self.tokens_billed,
        }  # fmt: skip

    def _forget(self, now: float) -> None:
        while self.admitted and self.admitted[0][0] <= now - WINDOW_SECONDS:
            self.tokens -= self.admitted.popleft()[1]

    def _wait(self, now: float, tokens: int, rpm: int, tpm: int) -> float:
        is_full = (rpm and len(self.admitted) >= rpm) or (tpm and self.tokens + tokens > tpm)
        if not is_full:
            return 0.0
        return max(self.admitted[0][0] + WINDOW_SECONDS - now, 0.001) if self.admitted else WINDOW_SECONDS
