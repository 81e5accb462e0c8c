"""The edge of the server: refuse what no view should see, and let the API speak problem+json throughout."""

import json
from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views import defaults
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.types import DictStrAny
from orjson import OPT_NON_STR_KEYS, OPT_UTC_Z, dumps

from agentops import problems
from agentops.common.canonical import Cleaner, NotJsonError
from agentops.common.conf import conf
from agentops.common.errors import (
    AgentOpsError,
    BadRequestError,
    InvalidInputError,
    MalformedJsonError,
    UnsupportedMediaTypeError,
)

API = ("/api/", "/hooks/")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class EdgeMiddleware:
    """Refuses NULs in addresses everywhere; for the API also bodies too large or of another type.

    Answers with an error status that something else has made under /api/ become problem details.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_api = request.path_info.startswith(API)
        refusal = _address_refusal(request) or (_body_refusal(request) if is_api else None)
        if refusal is not None:
            return problems.problem_response(refusal) if is_api else _page(request, refusal)
        response = self.get_response(request)
        return _of_api(response) if is_api else response


class CleanJsonParser(Parser):
    """Reads bodies as strict JSON with every character storable; the request's `n_replaced` counts what was not."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Return the JSON of the body.

        Raises: MalformedJsonError with the position, InvalidInputError with a pointer.
        """
        cleaner = Cleaner()
        try:
            value: Any = cleaner.clean(parse_json(request.body))
        except NotJsonError as error:
            place = {"pointer": error.pointer, "message": error.reason}
            raise InvalidInputError(str(error), errors=[place]) from error
        request.__dict__["n_replaced"] = cleaner.replaced
        return value  # type: ignore[no-any-return]  # pydantic checks that it is an object


class JsonRenderer(BaseRenderer):
    """Times as RFC 3339 in UTC with a Z, identifiers as text."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return dumps(data, default=str, option=OPT_UTC_Z | OPT_NON_STR_KEYS)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text in UTF-8; lone surrogates in escapes are let through.

    Raises: MalformedJsonError
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise MalformedJsonError(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            position=error.pos,
            line=error.lineno,
            column=error.colno,
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedJsonError(
            f"the body is not UTF-8 at byte {error.start}", position=error.start
        ) from error
    except RecursionError as error:
        raise MalformedJsonError("the body is nested too deeply", position=0) from error
    except ValueError as error:
        raise MalformedJsonError(f"the body is not JSON: {error}", position=0) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; send null or text")


def _address_refusal(request: HttpRequest) -> AgentOpsError | None:
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        return BadRequestError("the address holds a NUL character")
    return None


def _body_refusal(request: HttpRequest) -> AgentOpsError | None:
    if request.method not in _WITH_BODY:
        return None
    declared = request.META.get("CONTENT_LENGTH") or ""
    if _is_too_large(request, declared):
        return problems.too_large()
    if request.content_type != "application/json" and request.body:
        return UnsupportedMediaTypeError(
            f"send the body as application/json, not as {request.content_type!r}"
        )
    return None


def _is_too_large(request: HttpRequest, declared: str) -> bool:
    limit = conf().request_max_bytes
    if declared.isdecimal():
        return int(declared) > limit
    body = request.read(limit + 1)
    request._body = body  # noqa: SLF001 -- a body without a declared length is read once, and no further than the limit
    return len(body) > limit


def _of_api(response: HttpResponse) -> HttpResponse:
    """Return the answer as the API gives it: errors as problem details, nothing kept by caches in between."""
    answer = _as_problem(response) if response.status_code >= 400 else response
    answer.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(answer, ("Authorization", "Cookie"))
    return answer


def _as_problem(response: HttpResponse) -> HttpResponse:
    """Return an error answer as problem details, with the headers it had (Allow, Retry-After)."""
    if response.headers.get("Content-Type") == problems.CONTENT_TYPE:
        return response
    answer = problems.problem_response(problems.of_status(response.status_code))
    for name, value in response.headers.items():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _page(request: HttpRequest, refusal: AgentOpsError) -> HttpResponse:
    return defaults.bad_request(request, BadRequest(refusal.detail))
