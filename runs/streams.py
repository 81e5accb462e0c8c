"""Streams go on behind Django: no thread and no database connection is held for a listener that waits.

The view answers as any other: it checks who asks and sends what has happened so far. It leaves a ticket in the ASGI
scope, and when Django is done with the request, what happens later is sent on the same answer by a coroutine.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.db import Error
from django.http import HttpRequest

from agentops.accounts.roles import Actor
from agentops.common.errors import NotFoundError
from runs.feeds import Chunk, Feed, Hub, is_still_allowed
from runs.presenters.stream import HEARTBEAT
from runs.selectors.told import Told

MAX_LISTENERS = 1000
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 60.0
SEND_SECONDS = 60.0
RETRY_SECONDS = 2.0
_SLOT = "agentops.stream"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

logger = logging.getLogger(__name__)
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who follows which run, and what they were told so far."""

    actor: Actor
    run_id: UUID
    told: Told


def leave_ticket(request: HttpRequest, ticket: Ticket) -> None:
    """Let the answer to the request go on; without a server that can, or with too many listeners, it just ends."""
    slot = getattr(request, "scope", {}).get(_SLOT)
    if slot is not None:
        slot.append(ticket)


class Streams:
    """The ASGI application around Django's: it sends on where a view has left a ticket."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        slot: list[Ticket] = []
        if hub().n_listeners < MAX_LISTENERS:
            scope = {**scope, _SLOT: slot}
        await self._application(scope, receive, _kept_open(send, slot))
        if slot:
            await _follow(slot[0], receive, send)


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def _kept_open(send: Send, slot: list[Ticket]) -> Send:
    """Return a `send` that leaves the answer open when there is a ticket."""

    async def forward(message: Message) -> None:
        if slot and message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
            message = {**message, "headers": headers}
        elif slot and message["type"] == "http.response.body":
            message = {**message, "more_body": True}
        await send(message)

    return forward


async def _follow(ticket: Ticket, receive: Receive, send: Send) -> None:
    """Send what happens until the run has ended, the listener has gone, or the server stops."""
    gone = asyncio.ensure_future(_disconnected(receive))
    telling = asyncio.ensure_future(_tell(ticket, send))
    try:
        await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        logger.info("stream of run %s: the listener did not read for %s s", ticket.run_id, SEND_SECONDS)
    finally:
        for task in (gone, telling):
            task.cancel()
        await asyncio.gather(gone, telling, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _tell(ticket: Ticket, send: Send) -> None:
    """Raises: TimeoutError when the listener does not read."""
    told, clock = ticket.told, asyncio.get_running_loop().time
    checked = clock()
    with hub().listening(ticket.run_id) as feed:
        while not hub().is_closing:
            version = feed.version
            chunk = await _looked(feed, ticket, told)
            if chunk is None or (
                clock() - checked > CHECK_SECONDS and not await is_still_allowed(ticket.actor)
            ):
                return
            checked = clock() if clock() - checked > CHECK_SECONDS else checked
            told = chunk.told
            await _sent(chunk.body, send)
            if chunk.is_over:
                return
            if chunk.is_all and not await feed.changed(version, HEARTBEAT_SECONDS):
                await _sent(HEARTBEAT, send)


async def _looked(feed: Feed, ticket: Ticket, told: Told) -> Chunk | None:
    """Return what is new, or that nothing is while the database is away; None when the run is gone."""
    try:
        return await feed.look(ticket.run_id, ticket.actor, told)
    except NotFoundError:
        return None
    except (Error, psycopg.Error) as error:
        logger.warning(
            "stream of run %s: the database does not answer: %s", ticket.run_id, str(error).strip()
        )
        await asyncio.sleep(RETRY_SECONDS)
        return Chunk(b"", told, is_all=True, is_over=False)


async def _sent(body: bytes, send: Send) -> None:
    """Send and wait until the listener's buffer has room: nobody's unread news pile up here."""
    if body:
        message = {"type": "http.response.body", "body": body, "more_body": True}
        await asyncio.wait_for(send(message), SEND_SECONDS)
