"""What a model has said so far, for those who look on: kept for a moment, told at most four times a second.

It is a hint as others are: losing it costs nothing, for the whole answer is stored when it has come.
"""

import json
import threading
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

from runs import broadcasts
from runs.background import Coalescer

LIFE_SECONDS = 60
MAX_CHARACTERS = 4000

_said: dict[UUID, tuple[UUID, str]] = {}
_lock = threading.Lock()
_clients: dict[str, redis.Redis] = {}


def tell(team_id: UUID, run_id: UUID, model: str, text: str) -> None:
    """Let the run's page show the text so far. Never raises, never blocks."""
    told = json.dumps({"model": model, "text": text[-MAX_CHARACTERS:], "characters": len(text)})
    with _lock:
        _said[run_id] = (team_id, told)
    _partials.add(run_id)


def forget(run_id: UUID) -> None:
    """The whole answer is there, or none: nothing more is shown of it."""
    with _lock:
        is_told = run_id in _said
        _said.pop(run_id, None)
    if is_told:
        _partials.add(run_id)


def told(run_id: UUID) -> dict[str, Any] | None:
    """Return `model`, `text` and `characters` of what is being said, if anything."""
    try:
        found = _redis().get(_key(run_id))
    except redis.RedisError:
        return None
    return json.loads(found) if isinstance(found, bytes) else None


def _send(run_ids: list[UUID]) -> None:
    for run_id in run_ids:
        with _lock:
            found = _said.get(run_id)
        if found is None:
            _redis().delete(_key(run_id))
            continue
        _redis().set(_key(run_id), found[1], ex=LIFE_SECONDS)
        broadcasts.hint(found[0], run_id)


def _key(run_id: UUID) -> str:
    return f"agentops:said:{run_id}"


def _redis() -> redis.Redis:
    url = settings.REDIS_URL
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
    return _clients[url]


_partials: Coalescer[UUID] = Coalescer("partials", _send, gap_seconds=0.25, pace_seconds=0.05)
