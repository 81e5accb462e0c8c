"""What counts as a JSON value here, its canonical bytes, and its digest (pure).

Values come from models, tools and people, so they are checked once at the entrance. NULs and lone
surrogates, which PostgreSQL and UTF-8 cannot hold, are replaced by U+FFFD and counted, never refused:
the model that wrote them cannot be asked to mend them.
"""

import hashlib
import json
import math
from typing import Any

from agentops.common.types import JsonValue

MAX_DEPTH = 200
REPLACEMENT = "\ufffd"
_INT64 = 1 << 63


class NotJsonError(ValueError):
    """A value that JSON cannot hold; `pointer` says where in the value it stands."""

    code = "not_json"

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{reason} at {pointer or 'the top level'}")
        self.pointer = pointer
        self.reason = reason


class Cleaner:
    """Checks one value and counts the characters that had to be replaced in it."""

    def __init__(self) -> None:
        self.replaced = 0

    def clean(self, value: Any, pointer: str = "", depth: int = 0) -> JsonValue:
        """Return `value` as plain JSON types, tuples as lists, with unstorable characters replaced.

        Members of enums and other subclasses of text and numbers become what they stand for.

        Raises: NotJsonError for other types, keys that are not text, numbers that are not finite or
            do not fit 64 bits, and nesting deeper than MAX_DEPTH.
        """
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _number(value, pointer)
        if depth >= MAX_DEPTH:
            raise NotJsonError(pointer, f"nested deeper than {MAX_DEPTH} levels")
        return self._container(value, pointer, depth + 1)

    def _container(self, value: Any, pointer: str, depth: int) -> JsonValue:
        if isinstance(value, dict):
            return {
                self._key(key, pointer): self.clean(item, f"{pointer}/{_escape(str(key))}", depth)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.clean(item, f"{pointer}/{index}", depth) for index, item in enumerate(value)]
        raise NotJsonError(pointer, f"a value of type {type(value).__name__} is not JSON")

    def _key(self, key: Any, pointer: str) -> str:
        if not isinstance(key, str):
            raise NotJsonError(pointer, f"the key {key!r} is not text")
        return self._text(key)

    def _text(self, text: str) -> str:
        if text.isascii():
            clean = text.replace("\0", REPLACEMENT) if "\0" in text else text
        else:
            clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            clean = clean.replace("\0", REPLACEMENT)
        if clean is not text and clean != text:
            self.replaced += clean.count(REPLACEMENT) - text.count(REPLACEMENT)
        return str.__str__(clean)


def clean_json(value: Any) -> JsonValue:
    """Return `value` as plain JSON; see Cleaner.clean."""
    return Cleaner().clean(value)


def canonical_bytes(value: JsonValue) -> bytes:
    """Return the same bytes for equal JSON values: sorted keys, no white space, UTF-8.

    Source: the idea of RFC 8785; numbers keep Python's shortest form, which only we compare.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: JsonValue) -> bytes:
    """Return the SHA-256 of the canonical bytes (32 bytes)."""
    return hashlib.sha256(canonical_bytes(value)).digest()


def _number(value: int | float, pointer: str) -> int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJsonError(pointer, f"the number {value} is not finite")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise NotJsonError(pointer, "a whole number of more than 64 bits; send it as text")
    return float(value) if isinstance(value, float) else int(value)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
