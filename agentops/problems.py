"""Every error as RFC 9457 problem details: the one place that maps exceptions to answers of the API."""

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from agentops.common.conf import conf
from agentops.common.errors import (
    AgentOpsError,
    BadRequestError,
    InvalidInputError,
    NotAuthenticatedError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from runs.checkpoints.chain import IntegrityError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

logger = logging.getLogger(__name__)


class IntegrityFailedError(AgentOpsError):
    """Stored data that fails its integrity check; `data["seq"]` is the step where it does."""

    code, http_status, title = "integrity_failed", 409, "Stored data is not what was written"


class MethodNotAllowedError(AgentOpsError):
    code, http_status, title = "method_not_allowed", 405, "This address does not take this method"


class InternalError(AgentOpsError):
    title = "Something went wrong on our side"


def problem_response(error: AgentOpsError) -> HttpResponse:
    """Return the answer for an error of ours, its data beside the members of RFC 9457."""
    members = {
        "type": f"urn:agentops:problem:{error.code}",
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "code": error.code,
    }
    # Not orjson: what a caller sent may stand in the data, a number of thirty digits too.
    body = json.dumps({**error.data, **members}, default=str)
    response = HttpResponse(body, status=error.http_status, content_type=CONTENT_TYPE)
    for name, value in _headers(error).items():
        response.headers[name] = value
    return response


def handle(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """Return the answer for any exception that reached the edge of the API."""
    ours = as_ours(error)
    if isinstance(ours, InternalError):
        assert isinstance(error, Exception), "handlers are given instances"
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem_response(ours)


def as_ours(error: Exception | type[Exception]) -> AgentOpsError:
    """Return the error of ours that says what `error` says."""
    return next((make(error) for kinds, make in _KNOWN if isinstance(error, kinds)), None) or InternalError(
        "this is a mistake of ours; the server's log says more"
    )


def of_status(status: int) -> AgentOpsError:
    """Return the error for an answer that something else has made with only a status."""
    known: dict[int, AgentOpsError] = {
        400: BadRequestError(),
        401: NotAuthenticatedError(),
        404: NotFoundError("there is nothing at this address; see /api/v1/docs"),
        405: MethodNotAllowedError(),
        413: too_large(),
        503: UnavailableError(),
    }
    return known.get(status) or _unnamed(status)


def too_large() -> TooLargeError:
    limit = conf().request_max_bytes
    return TooLargeError(
        f"the body may have at most {limit:,} bytes; keep large data outside and pass a reference to it",
        limit_bytes=limit,
    )


def _unnamed(status: int) -> AgentOpsError:
    """Return an error whose code is the phrase of its status, such as `forbidden`."""
    phrase = HTTPStatus(status).phrase

    class StatusError(AgentOpsError):
        code, http_status, title = phrase.lower().replace(" ", "_"), status, phrase

    return StatusError()


def _of_http_error(error: HttpError) -> AgentOpsError:
    """Return what ninja's error wraps: it hides what the parser of bodies has to say."""
    cause = error.__cause__
    return as_ours(cause) if isinstance(cause, Exception) else of_status(error.status_code)


def _unavailable(error: Exception) -> AgentOpsError:
    logger.warning("the database does not answer: %s", error)
    return UnavailableError("the database does not answer; try again in a moment")


def _invalid(errors: list[dict[str, Any]]) -> InvalidInputError:
    found = [_place(error) for error in errors]
    first = found[0]
    return InvalidInputError(
        f"{first.get('parameter') or first['pointer'] or 'the body'}: {first['message']}", errors=found
    )


def _place(error: Mapping[str, Any]) -> dict[str, str]:
    """Return where a value does not fit: a pointer into the body, or the name of a parameter."""
    source, *path = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if source != "body":
        names = [part for part in path if isinstance(part, str)]
        return {"pointer": "", "parameter": names[-1] if names else "", "in": source, "message": message}
    return {"pointer": "".join(f"/{part}" for part in path[1:]), "message": message}


def _headers(error: AgentOpsError) -> dict[str, str]:
    match error:
        case NotAuthenticatedError():
            invalid = ', error="invalid_token"' if error.data.get("invalid_token") else ""
            return {"WWW-Authenticate": f'Bearer realm="agentops"{invalid}'}
        case UnavailableError():
            return {"Retry-After": str(RETRY_AFTER_SECONDS)}
        case _:
            return {}


_KNOWN: list[tuple[type | tuple[type, ...], Callable[[Any], AgentOpsError]]] = [
    (AgentOpsError, lambda error: error),
    (ValidationError, lambda error: _invalid(error.errors)),
    (HttpError, _of_http_error),
    (Http404, lambda _: of_status(404)),
    (RequestDataTooBig, lambda _: too_large()),
    (IntegrityError, lambda error: IntegrityFailedError(str(error), run_id=str(error.run_id), seq=error.seq)),
    (DataError, lambda _: BadRequestError("a value cannot be stored or looked for in the database")),
    ((OperationalError, InterfaceError), _unavailable),
]
