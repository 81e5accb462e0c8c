"""Checks of what people send that a schema of shapes cannot make: bounds and characters, each with its pointer."""

from collections.abc import Sequence
from typing import Any

from agentops.common.canonical import NotJsonError, clean_json
from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonValue
from runs.engine.limits import QUEUE

MAX_KEY_CHARACTERS = 200
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 100
PRIORITIES = range(-100, 101)


def misfit(pointer: str, message: str, *, what: str = "the request", **more: Any) -> InvalidInputError:
    """Return the error for one place that does not fit; `more` goes beside its pointer and message."""
    errors = [{"pointer": pointer, "message": message, **more}]
    return InvalidInputError(f"{what} does not fit at {pointer or 'its top level'}: {message}", errors=errors)


def check_text(pointer: str, text: str, max_characters: int) -> None:
    """Raises: InvalidInputError for text that is empty, too long or cannot be stored."""
    if clean_json(text) != text:
        raise misfit(pointer, "holds characters that cannot be stored (NUL or lone surrogates)")
    if not 1 <= len(text) <= max_characters:
        raise misfit(pointer, f"must have 1 to {max_characters} characters, it has {len(text):,}")


def check_tags(tags: Sequence[str]) -> None:
    """Refuse more than MAX_TAGS, or one that is empty, too long or cannot be stored."""
    if len(tags) > MAX_TAGS:
        raise misfit("/tags", f"at most {MAX_TAGS} tags")
    for index, tag in enumerate(tags):
        check_text(f"/tags/{index}", tag, MAX_TAG_CHARACTERS)


def check_priority(priority: int) -> None:
    """Refuse what is outside of PRIORITIES."""
    if priority not in PRIORITIES:
        raise misfit("/priority", f"must be between {PRIORITIES.start} and {PRIORITIES.stop - 1}")


def check_queue(pointer: str, name: str) -> None:
    """Refuse what cannot be the name of a queue of workers."""
    if not QUEUE.fullmatch(name):
        told = "must be 1 to 100 letters, digits, '.', '_' and '-', the first one a letter or digit"
        raise misfit(pointer, told)


def cleaned(value: Any, *, what: str) -> JsonValue:
    """Return the value as plain JSON.

    Raises: InvalidInputError with a pointer into it.
    """
    try:
        return clean_json(value)
    except NotJsonError as error:
        raise misfit(error.pointer, error.reason, what=what) from error
