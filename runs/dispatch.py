"""Tickets: Celery messages that say "there is work in this queue", and nothing else.

A ticket is sent only when none is on its way (`SET NX` with a short life), so a thousand starts cost a few
messages; a lost one is replaced by the clock, a repeated one finds nothing to do. Source: PROTOCOL 22,
measured in ADR 0006. This is the only module that knows the broker.
"""

import logging
from functools import lru_cache

import redis
from celery import current_app  # noqa: TID251 -- this module is its one home
from django.conf import settings

from runs.background import Coalescer

TASK = "runs.drain"
TICKET_LIFE_MS = 2000

logger = logging.getLogger(__name__)


def poke(queue: str) -> None:
    """Hint that `queue` has work. Never raises, never blocks; without Redis the workers' own polls find it."""
    _tickets.add(queue)


def taken(queue: str) -> None:
    """Note that a ticket has arrived, so that the next hint sends another."""
    try:
        _redis().delete(_key(queue))
    except redis.RedisError as error:
        logger.warning("ticket of %s not cleared: %s", queue, error)


def _send(queues: list[str]) -> None:
    for queue in queues:
        if _redis().set(_key(queue), b"1", nx=True, px=TICKET_LIFE_MS):
            current_app.send_task(TASK, args=[queue], queue=queue, ignore_result=True, retry=False)


def _key(queue: str) -> str:
    return f"agentops:ticket:{queue}"


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=1.0)


_tickets: Coalescer[str] = Coalescer("tickets", _send, gap_seconds=0.0, pace_seconds=0.0)
