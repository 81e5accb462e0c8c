"""Who listens to which run in this process, and when they should look.

Listeners wait for hints. All those of a process ask the database through a few threads, so that they never take
the connections that pages need, and those that were told the same share one look. When hints are lost, or Redis is
gone, one query in two seconds finds which runs have changed.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from channels.layers import get_channel_layer
from django.db import Error, connection

from agentops.accounts.roles import Actor, Scope
from agentops.accounts.selectors import actor_again
from runs.broadcasts import run_group
from runs.presenters.stream import events_of, is_over
from runs.selectors.news import news_for, versions_of
from runs.selectors.told import Told

POLL_SECONDS = 2.0
JOIN_SECONDS = 2.0
THREADS = 4

T = TypeVar("T")

logger = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some news as bytes, and what has been told behind them."""

    body: bytes
    told: Told
    is_all: bool
    is_over: bool


class Feed:
    """The listeners of one run. `version` grows whenever they should look."""

    def __init__(self) -> None:
        self.version, self.n_listeners = 0, 0
        self.seen: str | None = None
        self.is_joined = False
        self._changed = asyncio.Event()
        self._looks: dict[tuple[UUID, str], asyncio.Future[Chunk]] = {}

    def wake(self) -> None:
        self.version += 1
        self._looks.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, version: int, seconds: float) -> bool:
        """Return whether there is more to look for than at `version`, after waiting for it at most so long."""
        if self.version == version:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)
        return self.version != version

    async def look(self, run_id: UUID, actor: Actor, told: Told) -> Chunk:
        """Return what is new behind `told`; listeners of a team that ask the same share the answer.

        Raises: NotFoundError; django.db.Error, psycopg.Error while the database is away.
        """
        key = (actor.team_id, str(told))
        if key not in self._looks:
            self._looks[key] = asyncio.ensure_future(_in_thread(lambda: _read(run_id, actor, told)))
        try:
            return await asyncio.shield(self._looks[key])
        except (Error, psycopg.Error):
            self._looks.pop(key, None)
            raise


class Hub:
    """The feeds of one event loop; it listens for hints and polls for as long as somebody listens to it."""

    def __init__(self) -> None:
        self.n_listeners, self.is_closing = 0, False
        self._feeds: dict[UUID, Feed] = {}
        self._channel = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._asides: set[asyncio.Task[None]] = set()
        _before_exit(self._close)

    @contextmanager
    def listening(self, run_id: UUID) -> Iterator[Feed]:
        """Give the feed of a run to one listener more, for as long as it is entered."""
        feed = self._feeds.setdefault(run_id, Feed())
        self._count(feed, 1)
        if not self._tasks:
            self._tasks = {asyncio.create_task(self._poll()), asyncio.create_task(self._hear())}
        elif self._channel:
            self._aside(self._join(run_id, feed))
        try:
            yield feed
        finally:
            self._count(feed, -1)
            if not feed.n_listeners:
                self._drop(run_id)

    def _count(self, feed: Feed, change: int) -> None:
        feed.n_listeners += change
        self.n_listeners += change

    def _drop(self, run_id: UUID) -> None:
        del self._feeds[run_id]
        if self._feeds:
            self._aside(self._leave(run_id))
            return
        for task in self._tasks:
            task.cancel()
        self._tasks, self._channel = set(), ""

    def _close(self) -> None:
        """End all streams: their listeners come back to the next server with the id of their last event."""
        self.is_closing = True
        for feed in self._feeds.values():
            feed.wake()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _poll(self) -> None:
        while True:
            with suppress(Error, psycopg.Error):
                versions = await _in_thread(lambda: versions_of(list(self._feeds)))
                for run_id, feed in self._feeds.items():
                    if feed.seen != versions.get(run_id):
                        feed.seen = versions.get(run_id)
                        feed.wake()
            for run_id, feed in list(self._feeds.items()):
                if self._channel and not feed.is_joined:
                    await self._join(run_id, feed)
            await asyncio.sleep(POLL_SECONDS)

    async def _hear(self) -> None:
        while True:
            try:
                await self._heard()
            except Exception as error:  # noqa: BLE001 -- without hints the poll goes on
                logger.warning("streams: no hints, looking every %s s: %s", POLL_SECONDS, error)
                self._channel = ""
                await asyncio.sleep(POLL_SECONDS)

    async def _heard(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        self._channel = channel
        for run_id, feed in list(self._feeds.items()):
            await self._join(run_id, feed)
        while True:
            message = await layer.receive(channel)
            told_of = self._feeds.get(UUID(message["topic"].removeprefix("run:")))
            if told_of is not None:
                told_of.wake()

    async def _join(self, run_id: UUID, feed: Feed) -> None:
        """Ask for the hints of a run; then look, for what happened before they came."""
        with suppress(Exception):
            joining = get_channel_layer().group_add(run_group(run_id), self._channel)
            await asyncio.wait_for(joining, JOIN_SECONDS)
            feed.is_joined = True
            feed.wake()

    async def _leave(self, run_id: UUID) -> None:
        with suppress(Exception):
            leaving = get_channel_layer().group_discard(run_group(run_id), self._channel)
            await asyncio.wait_for(leaving, JOIN_SECONDS)


async def is_still_allowed(actor: Actor) -> bool:
    """Return whether the actor may still read: their token, account and membership as they are now."""
    try:
        now = await _in_thread(lambda: actor_again(actor))
    except (Error, psycopg.Error):
        return True
    return now is not None and now.can(Scope.READ)


def _read(run_id: UUID, actor: Actor, told: Told) -> Chunk:
    news = news_for(actor, run_id, told)
    body, told = events_of(news, told)
    return Chunk(body, told, news.is_all, is_over(news))


async def _in_thread(read: Callable[[], T]) -> T:
    """Return what `read` returns, from one of the few threads; its connection goes back to the pool."""

    def work() -> T:
        try:
            return read()
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads, work)


def _before_exit(close: Callable[[], None]) -> None:
    """Call `close` when the server is told to stop: it would wait for answers that go on, and they do not end.

    The server's own handler is called behind it. Nothing is done outside of the main thread, where no server is.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(at: int, frame: Any, before: Any = before) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(close)
            if callable(before):
                before(at, frame)

        signal.signal(number, handle)
