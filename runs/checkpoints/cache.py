"""The states of runs that were here lately, so that a run that comes back is not rebuilt."""

import threading
from collections import OrderedDict
from typing import Any
from uuid import UUID

from agentops.common.conf import conf


class StateCache:
    """Keyed by run and head hash: a state of another moment, or of a tampered row, is never taken."""

    def __init__(self) -> None:
        self._states: OrderedDict[tuple[UUID, bytes], Any] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, run_id: UUID, head_hash: bytes) -> Any:
        """Return the kept state, which the caller owns from then on, or None."""
        with self._lock:
            return self._states.pop((run_id, bytes(head_hash)), None)

    def put(self, run_id: UUID, head_hash: bytes, state: Any) -> None:
        """Keep a state that the caller will not touch again."""
        with self._lock:
            self._states[run_id, bytes(head_hash)] = state
            while len(self._states) > conf().state_cache_runs:
                self._states.popitem(last=False)
