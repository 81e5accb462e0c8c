"""Websockets as a browser opens them, on the project's whole ASGI application."""

import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.conf import settings
from django.db import connections
from django.test import Client

from agentops.asgi import application

P = ParamSpec("P")
R = TypeVar("R")


def in_own_thread(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Make a coroutine function callable from a test, whose thread may have a loop already: a browser's."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        def inside() -> R:
            try:
                return async_to_sync(function)(*args, **kwargs)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()

    return run


def socket_routes() -> list[str]:
    """Return the pattern of every websocket address there is."""
    app = application.application_mapping["websocket"]
    while not isinstance(app, URLRouter):
        app = getattr(app, "inner", None) or app.application
    return [route.pattern.regex.pattern for route in app.routes]


class Socket:
    """One connection. `is_open` says whether the server took it and has not closed it since."""

    def __init__(self, address: str, client: Client, *, origin: str = "http://localhost") -> None:
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
        if cookie:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie.value}".encode()))
        scope = {
            "type": "websocket",
            "path": address,
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        }
        self._communicator: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
        self.is_open = False

    async def open(self) -> None:
        await self._communicator.send_input({"type": "websocket.connect"})
        self.is_open = (await self._communicator.receive_output(5))["type"] == "websocket.accept"

    async def send(self, frame: Any) -> None:
        await self._communicator.send_input({"type": "websocket.receive", "text": json.dumps(frame)})

    async def received(self, *, within_seconds: float) -> list[str]:
        """Return the texts that came until nothing did for `within_seconds`."""
        texts = []
        while not await self._communicator.receive_nothing(within_seconds, 0.02):
            event = await self._communicator.receive_output(1)
            if event["type"] == "websocket.close":
                self.is_open = False
                break
            texts.append(event.get("text") or "")
        return texts

    async def close(self) -> None:
        await self._communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._communicator.wait(5)
