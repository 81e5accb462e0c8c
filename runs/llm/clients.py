"""Requests to providers, all of a process on one event loop in a thread of its own.

The libraries' own retries are off: the engine retries, as a row that costs no process. Keys come from the database with
each provider and go into its client only; nothing is read from the environment.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar
from uuid import UUID

import httpx2
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from pydantic_ai.messages import ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from runs.engine.providers import ProviderKind
from runs.engine.tool_names import ToolNames
from runs.llm.bedrock import bedrock_model, check_key
from runs.llm.errors import ModelError, Trouble
from runs.llm.request import Answer, Endpoint, ModelRequest
from runs.llm.service_account import account_of
from runs.llm.vertex import NOBODYS_MODEL, VertexAuth
from runs.llm.wire import answer_of, messages_of, parameters_of

CONNECT_SECONDS = 10.0
GRACE_SECONDS = 5.0
MAX_CONNECTIONS = 1000
MAX_MODELS = 200
MAX_MESSAGE_CHARACTERS = 600
# Statuses by which a provider that is too busy turns a request away, and those that come when time ran out over it.
_BUSY, _LATE = (503, 529), (408, 499)
# By name, for the library that has them is an extra.
_BOTO_UNSENT = ("EndpointConnectionError", "ConnectTimeoutError")
_headers: ContextVar[dict[str, str]] = ContextVar("model_answer_headers")

T = TypeVar("T")
OnText = Callable[[str], None]


def request(endpoint: Endpoint, model: str, asked: ModelRequest, *, on_text: OnText | None = None) -> Answer:
    """Return the model's answer; `on_text` is told all the text so far, as it comes.

    Raises: ModelError. Blocks this thread for at most the endpoint's time-out and GRACE_SECONDS.
    """
    return _run(_request(endpoint, model, asked, on_text), endpoint.timeout_seconds)


def models_of(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the provider tells of; none of Bedrock, which is only asked whether it takes the key.

    Raises: ModelError
    """
    return _run(_listed(endpoint), endpoint.timeout_seconds)


async def _request(endpoint: Endpoint, name: str, asked: ModelRequest, on_text: OnText | None) -> Answer:
    _headers.set({})
    model = _model(endpoint, name)
    names = ToolNames(tool.name for tool in asked.tools)
    settings = ModelSettings()
    if endpoint.kind is not ProviderKind.BEDROCK:  # whose client has it already, and takes no other
        settings["timeout"] = endpoint.timeout_seconds
    if asked.max_tokens is not None:
        settings["max_tokens"] = asked.max_tokens
    if asked.temperature is not None:
        settings["temperature"] = asked.temperature
    try:
        async with asyncio.timeout(endpoint.timeout_seconds):
            response = await _streamed(model, asked, names, settings, on_text)
        return answer_of(response, asked, names, _headers.get())
    except TimeoutError:
        text = f"{name} did not answer within {endpoint.timeout_seconds:g} s"
        raise ModelError(Trouble.TIMEOUT, text, may_be_billed=True) from None
    except AgentRunError as error:
        raise _told(error, endpoint) from None


async def _streamed(
    model: Model, asked: ModelRequest, names: ToolNames, settings: ModelSettings, on_text: OnText | None
) -> ModelResponse:
    parameters = parameters_of(asked, names, model)
    text = ""
    async with model_request_stream(
        model, messages_of(asked, names), model_settings=settings, model_request_parameters=parameters
    ) as stream:
        async for event in stream:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                text += event.part.content
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                text += event.delta.content_delta
            else:
                continue
            if on_text is not None:
                on_text(text)
        return stream.get()


async def _listed(endpoint: Endpoint) -> list[str]:
    try:
        async with asyncio.timeout(endpoint.timeout_seconds):
            if endpoint.kind is ProviderKind.BEDROCK:
                await asyncio.to_thread(check_key, endpoint, connect_seconds=CONNECT_SECONDS)
                return []
            client: Any = _model(endpoint, "none").client  # type: ignore[attr-defined]  # either SDK's
            if endpoint.kind is ProviderKind.VERTEX:
                return await _unlisted(client)
            return sorted([str(found.id) async for found in client.models.list()])
    except TimeoutError:
        raise ModelError(Trouble.TIMEOUT, f"no answer within {endpoint.timeout_seconds:g} s") from None
    except ModelError as error:
        raise ModelError(error.trouble, _clean(error.message, endpoint)) from None
    except Exception as error:  # noqa: BLE001 -- each SDK has errors of its own, and their reading differs
        status = getattr(error, "status_code", None)
        trouble = Trouble.REFUSED if status and status < 500 else Trouble.UNAVAILABLE
        raise ModelError(trouble, _clean(str(error) or type(error).__name__, endpoint)) from None


async def _unlisted(client: Any) -> list[str]:
    """Return no models: Vertex lists none, and is asked for one that is not there. Raises: what its SDK raises."""
    from openai import BadRequestError, NotFoundError

    with suppress(BadRequestError, NotFoundError):
        await client.chat.completions.create(
            model=NOBODYS_MODEL, messages=[{"role": "user", "content": "?"}], max_tokens=1
        )
    return []


_TROUBLES: list[tuple[type[Exception], Trouble]] = [
    (ModelTimeoutError, Trouble.TIMEOUT),
    (ModelRequestTimeout, Trouble.TIMEOUT),
    (ModelRateLimitError, Trouble.THROTTLED),
    (ModelConnectionError, Trouble.UNAVAILABLE),
    (ModelServerError, Trouble.UNAVAILABLE),
    (ModelUnavailableError, Trouble.UNAVAILABLE),
    (ModelRequestRejectedError, Trouble.REFUSED),
]


def _told(error: AgentRunError, endpoint: Endpoint) -> ModelError:
    """Return what went wrong in our words, without the key: some providers repeat it in their refusal."""
    trouble = next((found for kind, found in _TROUBLES if isinstance(error, kind)), None)
    headers = dict(error.headers or {}) if isinstance(error, ModelHTTPError) else {}
    if trouble is None:
        status = error.status_code if isinstance(error, ModelHTTPError) else None
        trouble = Trouble.REFUSED if status and 400 <= status < 500 else Trouble.BAD_ANSWER
    after = error.retry_after if isinstance(error, ModelAPIError) else None
    text = _clean(str(error), endpoint)
    return ModelError(trouble, text, after, headers, may_be_billed=not _is_refusal(error))


def _is_refusal(error: AgentRunError) -> bool:
    """Return whether the provider did nothing for it: nobody was there, or it said so before it began."""
    if isinstance(error, ModelHTTPError):
        return error.status_code in _BUSY or (
            400 <= error.status_code < 500 and error.status_code not in _LATE
        )
    cause: BaseException | None = error
    while cause is not None:
        is_unsent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        if is_unsent or type(cause).__name__ in _BOTO_UNSENT:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _clean(text: str, endpoint: Endpoint) -> str:
    transport = _transports.get((endpoint.provider_id, endpoint.version))
    auth = transport.auth if transport else None
    for secret in (endpoint.key, auth.token if isinstance(auth, VertexAuth) else ""):
        text = text.replace(secret, "[key]") if secret else text
    return text[:MAX_MESSAGE_CHARACTERS]


_models: dict[tuple[UUID, int, str], Model] = {}


def _model(endpoint: Endpoint, name: str) -> Model:
    """Return how the model is asked, which is kept: making it takes a millisecond. Called on the loop only."""
    place = (endpoint.provider_id, endpoint.version, name)
    if place not in _models:
        while len(_models) >= MAX_MODELS:
            _models.pop(next(iter(_models)))
        _models[place] = _made_model(endpoint, name)
    return _models[place]


def _made_model(endpoint: Endpoint, name: str) -> Model:
    if endpoint.kind is ProviderKind.BEDROCK:
        made: Model = bedrock_model(endpoint, name, connect_seconds=CONNECT_SECONDS)
        return made
    if endpoint.kind is ProviderKind.ANTHROPIC:
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        anthropic = AsyncAnthropic(
            api_key=endpoint.key, base_url=endpoint.base_url, max_retries=0, http_client=_transport(endpoint)
        )
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic))
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    is_signed = endpoint.kind is ProviderKind.VERTEX  # by the transport
    openai = AsyncOpenAI(
        api_key="none" if is_signed else endpoint.key or "none", base_url=endpoint.base_url, max_retries=0, http_client=_transport(endpoint),
        organization="", project="",
    )  # fmt: skip
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai))


_transports: dict[tuple[UUID, int], httpx2.AsyncClient] = {}


def _transport(endpoint: Endpoint) -> httpx2.AsyncClient:
    """Return the provider's connections, which are kept; called on the loop only."""
    place = (endpoint.provider_id, endpoint.version)
    if place not in _transports:
        _transports[place] = httpx2.AsyncClient(
            auth=VertexAuth(account_of(endpoint.key)) if endpoint.kind is ProviderKind.VERTEX else None,
            timeout=httpx2.Timeout(endpoint.timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=200),
            event_hooks={"response": [_note_headers]},
            follow_redirects=False,
        )
    return _transports[place]


async def _note_headers(response: httpx2.Response) -> None:
    _headers.get({}).update(response.headers)


class _Loop:
    """The event loop of this process; a fork begins with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._pid, self._loop = os.getpid(), asyncio.new_event_loop()
                _transports.clear()
                _models.clear()
                threading.Thread(target=self._loop.run_forever, name="models", daemon=True).start()
            return self._loop


_loop = _Loop()


def _run(work: Coroutine[Any, Any, T], timeout_seconds: float) -> T:
    future = asyncio.run_coroutine_threadsafe(work, _loop.get())
    try:
        return future.result(timeout_seconds + GRACE_SECONDS)
    except TimeoutError:
        future.cancel()
        text = f"no answer within {timeout_seconds:g} s"
        raise ModelError(Trouble.TIMEOUT, text, may_be_billed=True) from None
