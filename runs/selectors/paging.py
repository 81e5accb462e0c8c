"""Keyset pages: a cursor names the last row that was given, so that a page costs the same at any depth."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson

from agentops.common.errors import BadQueryError

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor that asks for the next ones; None when these are the last."""

    items: list[T]
    next_cursor: str | None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[object]]) -> Page[T]:
    """Return a page of `limit` rows, out of `rows` read with a LIMIT of one more than that.

    Args:
        rows: the rows, in their order.
        limit: how many the page may hold.
        key: what the cursor must know of the last row to go on behind it.
    """
    items = list(rows[:limit])
    return Page(items, encode_cursor(key(items[-1])) if len(rows) > limit else None)


def encode_cursor(values: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([str(value) for value in values])).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: Callable[[str], Any]) -> list[Any]:
    """Return the values in the cursor, each made of its text by one of `kinds`.

    Raises: BadQueryError when it is not a cursor of this list.
    """
    try:
        texts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [kind(text) for kind, text in zip(kinds, texts, strict=True)]
    except (ValueError, TypeError, AttributeError):
        raise _not_a_cursor() from None


def instant(text: str) -> datetime:
    """Return the time that the text names. Raises: ValueError, also without a time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no time zone")
    return at


def _not_a_cursor() -> BadQueryError:
    return BadQueryError(
        "this cursor is not one of this list; send the next_cursor of its last page as it is, or none to begin again",
        position=0,
        parameter="cursor",
    )
