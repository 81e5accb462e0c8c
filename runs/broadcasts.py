"""Live hints for pages: "this run has changed", at most four a second a run (PROTOCOL 23).

A hint carries no content: the page fetches what changed with its own session, so nobody is shown what they may
not see.
"""

import asyncio
import threading
from collections import defaultdict
from functools import lru_cache
from itertools import count
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer

from runs.background import Coalescer

ANY_RUN = "run:*"
SEND_TIMEOUT_SECONDS = 2.0

_versions = count(1)


def hint(team_id: UUID, run_id: UUID) -> None:
    """Hint that a run has changed. Never raises, never blocks."""
    _hints.add((team_id, run_id))


def run_group(run_id: UUID) -> str:
    return f"run.{run_id.hex}"


def team_group(team_id: UUID) -> str:
    return f"team.{team_id.hex}"


def _send(keys: list[tuple[UUID, UUID]]) -> None:
    asyncio.run_coroutine_threadsafe(_publish(keys), _loop()).result(timeout=SEND_TIMEOUT_SECONDS)


async def _publish(keys: list[tuple[UUID, UUID]]) -> None:
    """Tell each run's pages, and each team's: of one run by name, of several as `run:*`."""
    layer, of_team = get_channel_layer(), defaultdict(list)
    for team_id, run_id in keys:
        of_team[team_id].append(f"run:{run_id}")
        await layer.group_send(run_group(run_id), _message(f"run:{run_id}"))
    for team_id, topics in of_team.items():
        await layer.group_send(team_group(team_id), _message(topics[0] if len(topics) == 1 else ANY_RUN))


def _message(topic: str) -> dict[str, Any]:
    return {"type": "hint", "topic": topic, "version": next(_versions)}


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that lives in a thread of its own: the layer keeps its connection per loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="hint-loop", daemon=True).start()
    return loop


_hints: Coalescer[tuple[UUID, UUID]] = Coalescer("hints", _send, gap_seconds=0.25, pace_seconds=0.05)
