"""How long a slice goes on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agentops.common.conf import conf
from runs.journal.pending import now_seconds


@dataclass(slots=True)
class SliceClock:
    """How long this slice may go on, and what the database's clock says."""

    database_epoch_seconds: float
    began: float = field(default_factory=now_seconds)
    is_stopping: Any = None
    n_done: int = 0

    def now(self) -> datetime:
        """Return the database's time: its reading at the claim plus what has passed here since."""
        return datetime.fromtimestamp(self.database_epoch_seconds + now_seconds() - self.began, UTC)

    def is_over(self) -> bool:
        """Return whether the slice should end; every slice does at least one thing, so that none starves."""
        if not self.n_done:
            return False
        limits = conf()
        stopping = self.is_stopping is not None and self.is_stopping.is_set()
        return (
            stopping or self.n_done >= limits.slice_steps or now_seconds() - self.began > limits.slice_seconds
        )
