"""Live hints for pages: "this run has changed", at most four a second a run (PROTOCOL 23).

A hint carries no content: the page fetches what changed with its own session, so nobody is shown what they may
not see.
"""

import asyncio
import threading
from functools import lru_cache
from itertools import count
from uuid import UUID

from channels.layers import get_channel_layer

from runs.background import Coalescer

_versions = count(1)


def hint(team_id: UUID, run_id: UUID) -> None:
    """Hint that a run has changed. Never raises, never blocks."""
    _hints.add((team_id, run_id))


def run_group(run_id: UUID) -> str:
    return f"run.{run_id.hex}"


def team_group(team_id: UUID) -> str:
    return f"team.{team_id.hex}"


def _send(key: tuple[UUID, UUID]) -> None:
    team_id, run_id = key
    message = {"type": "hint", "topic": f"run:{run_id}", "version": next(_versions)}
    for group in (run_group(run_id), team_group(team_id)):
        sending = get_channel_layer().group_send(group, message)
        asyncio.run_coroutine_threadsafe(sending, _loop()).result(timeout=2)


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that lives in a thread of its own: the layer keeps its connection per loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="hint-loop", daemon=True).start()
    return loop


_hints: Coalescer[tuple[UUID, UUID]] = Coalescer("hints", _send, gap_seconds=0.25)
