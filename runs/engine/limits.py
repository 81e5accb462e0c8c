"""What a concurrency limit counts, and the keys that runs are counted by (pure)."""

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from string import Formatter
from typing import Any

MAX_KEY_CHARACTERS = 100
MAX_RUNNING = 1_000_000
# The names of Celery's queues, which commands and settings list with commas between them.
QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ANY = "*"
_DIGEST_CHARACTERS = 24
_PATH = re.compile(r"[^\W\d][\w-]*(\.[^\W\d][\w-]*)*")


class LimitScope(StrEnum):
    """Whose running runs a limit counts, within its team."""

    AGENT = "agent"
    QUEUE = "queue"
    KEY = "key"


class KeyPartError(Exception):
    """A part of the input that a key is made of is not there, or is nothing to make a key of.

    Attributes:
        pointer: where in the input.
        reason: what is wrong there.
    """

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}")
        self.pointer = pointer
        self.reason = reason


def counts_key(name: str, key: str) -> bool:
    """Return whether a limit of the scope `key` that is called `name` counts runs with this key."""
    return bool(key) and (name == key or (name.endswith(ANY) and key.startswith(name[:-1])))


def key_of(template: str, given: Any) -> str:
    """Return the key that a template such as `customer-{order.customer}` makes of an input.

    A key of more than MAX_KEY_CHARACTERS is cut and bears a digest of the whole, so that two that differ stay two.

    Raises: KeyPartError for a part that is missing, or neither text nor a whole number.
    """
    key = "".join(literal + (_part(path, given) if path else "") for literal, path in _pieces(template))
    if len(key) <= MAX_KEY_CHARACTERS:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{key[: MAX_KEY_CHARACTERS - _DIGEST_CHARACTERS - 1]}~{digest}"


def name_of_keys(template: str) -> str:
    """Return what a limit on each key of the template is called: its text up to the first part, and a star."""
    [(literal, path), *_] = _pieces(template) or [("", "")]
    return f"{literal}{ANY}" if path else literal


def template_problem(template: str) -> str:
    """Return what keeps the text from being a template of keys; empty when nothing does."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        return str(error)
    for _, path, form, conversion in pieces:
        if path is not None and (form or conversion or not _PATH.fullmatch(path)):
            return f"{{{path}}} must name a member of the input, such as {{customer}} or {{order.customer}}"
    return ""


def _pieces(template: str) -> list[tuple[str, str]]:
    """Return the pieces of the template: some text, and the path that follows it, empty at the end."""
    return [(literal, path or "") for literal, path, _, _ in Formatter().parse(template)]


def _part(path: str, given: Any) -> str:
    value = given
    for pointer, name in _members(path):
        if not isinstance(value, dict) or value.get(name) is None:
            raise KeyPartError(pointer, "is missing; runs of this agent are counted by it")
        value = value[name]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise KeyPartError(pointer, "must be text or a whole number; runs of this agent are counted by it")
    return str(value)


def _members(path: str) -> Iterator[tuple[str, str]]:
    """Yield each member of the path with its JSON pointer."""
    pointer = ""
    for name in path.split("."):
        pointer += f"/{name}"
        yield pointer, name
