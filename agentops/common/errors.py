"""Every error the product raises on purpose.

AgentOpsError
├── BadRequestError
│   ├── MalformedJsonError
│   └── BadQueryError
├── UnsupportedMediaTypeError
├── NotFoundError
├── InvalidInputError
│   └── TooLargeError
├── ConflictError
│   ├── PreconditionFailedError
│   ├── IllegalMoveError
│   ├── IdempotencyConflictError
│   ├── RunArchivedError
│   └── BrokenArchiveError
├── NotAllowedError
├── NotAuthenticatedError
└── UnavailableError

`code` is stable and documented in docs/reference/errors.md; `http_status` is what the API answers.
"""

from typing import Any, ClassVar


class AgentOpsError(Exception):
    """An error with a stable code, a sentence that says what to do, and data for machines."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", **data: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.data = data


class BadRequestError(AgentOpsError):
    code, http_status, title = "bad_request", 400, "The request cannot be understood"


class MalformedJsonError(BadRequestError):
    """A body that is not JSON; `data` says where: `position` (characters from 0), `line`, `column` (from 1)."""

    code, title = "malformed_json", "The body is not JSON"


class BadQueryError(BadRequestError):
    """A search or cursor that cannot be read; `data["position"]` is the character (from 0) where it goes wrong."""

    code, title = "bad_query", "The query cannot be understood"


class UnsupportedMediaTypeError(AgentOpsError):
    code, http_status, title = "unsupported_media_type", 415, "Send application/json"


class NotFoundError(AgentOpsError):
    code, http_status, title = "not_found", 404, "Not found"


class InvalidInputError(AgentOpsError):
    """Input that does not fit; `data["errors"]` lists `{"pointer", "message"}` where known."""

    code, http_status, title = "invalid_input", 422, "The input does not fit"


class TooLargeError(InvalidInputError):
    code, http_status, title = "too_large", 413, "Too large"


class ConflictError(AgentOpsError):
    code, http_status, title = "conflict", 409, "It changed meanwhile"


class PreconditionFailedError(ConflictError):
    """`If-Match` names a version that has passed; `data` has the current one."""

    code, http_status, title = "precondition_failed", 412, "It changed meanwhile"


class IllegalMoveError(ConflictError):
    """A verb that the run's status does not allow; `data["legal"]` names those it does."""

    code, title = "illegal_move", "Not possible in this status"


class IdempotencyConflictError(ConflictError):
    code, title = "idempotency_conflict", "The same idempotency key was used with another request"


class RunArchivedError(ConflictError):
    """The rows of the run are in its archive; `data["archived_at"]` says since when."""

    code, title = "run_archived", "The run is archived"


class BrokenArchiveError(ConflictError):
    """The file of an archived run is gone, is not whole, or is not what was written."""

    code, title = "archive_broken", "The archive cannot be used"


class NotAllowedError(AgentOpsError):
    code, http_status, title = "not_allowed", 403, "Not allowed"


class NotAuthenticatedError(AgentOpsError):
    code, http_status, title = "not_authenticated", 401, "Sign in or send a token"


class UnavailableError(AgentOpsError):
    code, http_status, title = "unavailable", 503, "Temporarily unavailable"
