"""Django's HTTP handler for an application whose views and middleware are all synchronous."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import close_old_connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

T = TypeVar("T")


class OneThreadHandler(ASGIHandler):
    """Answers each request in one of WEB_CONNECTIONS threads that stay, entered once.

    Django's own starts two threads for each request, and the event loop stands until they run; between loop and thread it
    changes at each middleware that is one or the other, ten times a request (ADR 28).
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(settings.WEB_CONNECTIONS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 -- Django's signature
        super().load_middleware(is_async=False)

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            response: Any = refusal or await self._in_thread(lambda: self._answer(request, scope))
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)
        finally:
            body.close()

    def _answer(self, request: Any, scope: dict[str, Any]) -> HttpResponseBase:
        signals.request_started.send(sender=self.__class__, scope=scope)
        response: Any = self.get_response(request)
        response._handler_class = self.__class__  # noqa: SLF001 -- as Django's handlers do, for the signal at the end
        if response.streaming:
            close_old_connections()  # the rest is read in a thread of its own
        else:
            response.close()
        return response  # type: ignore[no-any-return]  # what Django's get_response returns

    async def _stream(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        """Send what the view goes on to make, for as long as somebody listens."""
        tasks = [
            asyncio.ensure_future(self.listen_for_disconnect(receive)),
            asyncio.ensure_future(self.send_response(response, send)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            _, sent = await asyncio.gather(*tasks, return_exceptions=True)
            await sync_to_async(response.close)()
        if isinstance(sent, Exception):
            raise sent

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work)
