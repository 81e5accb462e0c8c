"""Which version of a thing a caller saw, by header or body, and what a conflict tells them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from ninja import Header
from pydantic import BaseModel

from agentops.common.errors import BadRequestError, ConflictError, PreconditionFailedError

IfMatch = Annotated[str | None, Header(alias="If-Match")]


@contextmanager
def current_state(if_match: str | None, current: Callable[[], BaseModel]) -> Iterator[None]:
    """Let a conflict carry the thing as it is now; it is 412 where If-Match was sent."""
    try:
        yield
    except ConflictError as error:
        kind = ConflictError if if_match is None else PreconditionFailedError
        now = current().model_dump(mode="json")
        raise kind(error.detail, version=now["version"], current=now) from error


def seen_version(if_match: str | None, version: int | None) -> int | None:
    """Return the version that the caller saw; None when they do not say."""
    if if_match is None or if_match.strip() == "*":
        return version
    number = if_match.strip().removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise BadRequestError(f'If-Match must be the ETag of what is changed, such as "3", not {if_match!r}')
    if version is not None and version != int(number):
        raise BadRequestError("If-Match and version in the body differ; send one of them")
    return int(number)
