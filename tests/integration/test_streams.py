"""A stream that goes on: told as it happens, alive while nothing happens, and over when it should be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connections

from agentops.accounts.models import ApiToken
from agentops.asgi import application
from runs import broadcasts, feeds, streams
from runs.feeds import Hub
from runs.models import Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.start_run import start_run
from tests.personas import World, actor, token
from tests.runs import a_worker, claim
from tests.sockets import in_own_thread
from tests.streams import Event, events

pytestmark = pytest.mark.django_db(transaction=True)


def scope_of(run: Run, secret: str) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "path": f"/api/v1/runs/{run.pk}/stream", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {secret}".encode())], "http_version": "1.1",
    }  # fmt: skip


class Listener:
    """One request for a stream, on the project's whole ASGI application."""

    def __init__(self, run: Run, secret: str) -> None:
        scope = scope_of(run, secret)
        self._communicator: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
        self.body, self.is_over, self.status = b"", False, 0
        self.headers: dict[bytes, bytes] = {}

    async def open(self) -> None:
        await self._communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
        begun = await self._communicator.receive_output(5)
        self.status, self.headers = begun["status"], dict(begun["headers"])
        await self.read()

    async def read(self, seconds: float = 5) -> bytes:
        """Return the next piece; b"" when the answer is over."""
        piece = await self._communicator.receive_output(seconds)
        self.is_over = not piece.get("more_body", False)
        self.body += piece["body"]
        return bytes(piece["body"])

    async def until(self, is_enough: Callable[[list[Event]], bool]) -> list[Event]:
        while not is_enough(events(self.body)) and not self.is_over:
            await self.read()
        return events(self.body)

    async def is_quiet(self, seconds: float) -> bool:
        quiet: bool = await self._communicator.receive_nothing(seconds, 0.02)
        return quiet

    async def leave(self) -> None:
        await self._communicator.send_input({"type": "http.disconnect"})
        await self._communicator.wait(5)


@asynccontextmanager
async def listening(run: Run, secret: str) -> AsyncIterator[Listener]:
    listener = Listener(run, secret)
    await listener.open()
    try:
        yield listener
    finally:
        await listener.leave()


def in_database(work: Callable[..., Any], *arguments: Any, **more: Any) -> Coroutine[Any, Any, Any]:
    def inside() -> Any:
        try:
            return work(*arguments, **more)
        finally:
            connections.close_all()

    return sync_to_async(inside, thread_sensitive=False)()


def a_slice() -> None:
    advance(claim(a_worker()))


@pytest.fixture(autouse=True)
def _as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests give their connections back, as the web process does."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


@pytest.fixture
def run(world: World) -> Run:
    return start_run(actor=actor(world.ada), agent="test-steps", input={"n": 3})[0]


@pytest.fixture
def secret(world: World) -> str:
    return token(world.ada, world.analytical)


def is_told(status: str) -> Callable[[list[Event]], bool]:
    return lambda found: any(event.name == "status" and event.data["status"] == status for event in found)


async def joined(hub: Hub, run: Run) -> None:
    """Wait until hints of the run come to the listeners of this loop."""
    for _ in range(3000):
        feed = hub._feeds.get(run.pk)
        if feed and feed.is_joined:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no hints of the run")


def test_what_happens_is_told_at_once_and_the_stream_ends_with_the_run(
    run: Run, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "POLL_SECONDS", 60.0)  # so that what is told comes by a hint

    @in_own_thread
    async def follow() -> list[Event]:
        async with listening(run, secret) as listener:
            assert (listener.status, listener.is_over) == (200, False)
            assert b"content-length" not in {name.lower() for name in listener.headers}
            await joined(streams.hub(), run)
            await in_database(a_slice)
            found = await listener.until(is_told("succeeded"))
            while not listener.is_over:
                await listener.read()
            return found

    found = follow()
    assert [event.data["seq"] for event in found if event.name == "step"] == [1, 2, 3]
    assert found[-1].name == "status"


def test_without_hints_the_poll_finds_it(run: Run, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Any:
        raise ConnectionError("Redis is gone")

    monkeypatch.setattr(feeds, "get_channel_layer", gone)
    monkeypatch.setattr(broadcasts, "hint", lambda *_: None)
    monkeypatch.setattr(feeds, "POLL_SECONDS", 0.2)

    @in_own_thread
    async def follow() -> list[Event]:
        async with listening(run, secret) as listener:
            await asyncio.sleep(0.5)
            await in_database(a_slice)
            return await listener.until(is_told("succeeded"))

    assert is_told("succeeded")(follow())


def test_a_quiet_stream_beats(run: Run, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)

    @in_own_thread
    async def follow() -> bytes:
        async with listening(run, secret) as listener:
            return await listener.read() + await listener.read()

    assert follow().startswith(b": ")


def test_a_listener_that_leaves_is_forgotten(run: Run, secret: str) -> None:
    @in_own_thread
    async def follow() -> int:
        async with listening(run, secret):
            await asyncio.sleep(0.3)
            assert streams.hub().n_listeners == 1
        return streams.hub().n_listeners

    assert follow() == 0


def test_a_revoked_token_ends_the_stream(run: Run, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)

    @in_own_thread
    async def follow() -> bool:
        async with listening(run, secret) as listener:
            await listener.read()
            assert not listener.is_over
            await in_database(ApiToken.objects.update, revoked_at="2026-01-01T00:00:00Z")
            while not listener.is_over:
                await listener.read(2)
            return True

    assert follow()


def test_a_listener_that_does_not_read_is_given_up(
    run: Run, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)

    @in_own_thread
    async def follow() -> bool:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > 2:
                await asyncio.sleep(60)

        asked = asyncio.Queue[Any]()
        await asked.put({"type": "http.request", "body": b"", "more_body": False})
        await asyncio.wait_for(application(scope_of(run, secret), asked.get, send), 30)
        return len(sent) > 2

    assert follow(), "it ended while its listener stood still"


def test_listeners_that_were_told_the_same_share_one_look(
    world: World, run: Run, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, ada = list[object](), actor(world.ada)
    read = feeds._read

    def counted(*arguments: Any) -> Any:
        looks.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(feeds, "_read", counted)

    @in_own_thread
    async def follow() -> int:
        listeners = [Listener(run, secret) for _ in range(20)]
        for listener in listeners:
            await listener.open()
        await asyncio.sleep(feeds.POLL_SECONDS + 0.5)
        looks.clear()
        await in_database(cancel_run, actor=ada, run_id=run.pk)
        for listener in listeners:
            await listener.until(is_told("cancelled"))
            await listener.leave()
        return len(looks)

    assert follow() <= 2


def test_a_server_that_stops_ends_its_streams(run: Run, secret: str) -> None:
    @in_own_thread
    async def follow() -> bool:
        async with listening(run, secret) as listener:
            streams.hub()._close()
            while not listener.is_over:
                await listener.read(2)
            return True

    assert follow()


def test_too_many_listeners_are_told_what_there_is_and_come_back(
    run: Run, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_LISTENERS", 0)

    @in_own_thread
    async def follow() -> tuple[bool, bytes]:
        async with listening(run, secret) as listener:
            return listener.is_over, listener.body

    is_over, body = follow()
    assert is_over
    assert body.startswith(b"retry: 2000\n")
    assert is_told("queued")(events(body))


def test_a_hub_without_listeners_does_nothing() -> None:
    @in_own_thread
    async def idle() -> tuple[int, set[Any]]:
        hub = Hub()
        return hub.n_listeners, hub._tasks

    assert idle() == (0, set())
