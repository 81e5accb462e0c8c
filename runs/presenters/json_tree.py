"""JSON as a tree that folds: flat tokens, in order, that a template writes down one after the other.

Only what fits a budget is written; what does not is fetched when it is opened, by its pointer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import ngettext

from runs.presenters import text

PREVIEW_TOKENS = 60
PAGE_TOKENS = 400
ALL_TOKENS = 4000
PREVIEW_CHARACTERS = 300
ALL_CHARACTERS = 64_000
LIST_ITEMS = 100
OPEN_DEPTH = 2
OPEN_ITEMS = 20
_GIST_CHARACTERS = 70


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: open, close, leaf, lazy (a container to be fetched), cut (a text to be fetched), more (items).

    `gist` tells what a closed container holds.
    """

    kind: str
    key: str = ""
    text: str = ""
    css: str = ""
    pointer: str = ""
    first: int = 0
    is_open: bool = False
    gist: str = ""


@dataclass(slots=True)
class Limits:
    """How much may still be written."""

    tokens: int
    characters: int


def preview(value: Any) -> list[Token]:
    return list(tokens(value, Limits(PREVIEW_TOKENS, PREVIEW_CHARACTERS)))


def tokens(
    value: Any, limits: Limits, *, pointer: str = "", key: str = "", depth: int = 0, first: int = 0
) -> Iterator[Token]:
    """Yield the tokens of `value`, which stands at `pointer`; of a list, those from the item `first` on."""
    if isinstance(value, dict | list) and value:
        yield from _container(value, limits, pointer, key, depth, first)
    else:
        limits.tokens -= 1
        yield _leaf(value, limits, pointer, key)


def at(value: Any, pointer: str) -> Any:
    """Return what stands at a JSON pointer.

    Raises: KeyError
    """
    for part in pointer.split("/")[1:]:
        name = unescaped(part)
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise KeyError(pointer)
    return value


def unescaped(part: str) -> str:
    """Return the key or index that a part of a JSON pointer stands for."""
    return part.replace("~1", "/").replace("~0", "~")


def _container(value: Any, limits: Limits, pointer: str, key: str, depth: int, first: int) -> Iterator[Token]:
    limits.tokens -= 1
    is_open = depth < OPEN_DEPTH and (depth == 0 or len(value) <= OPEN_ITEMS)
    if limits.tokens < 0 or (len(value) > OPEN_ITEMS and not is_open):
        yield Token("lazy", key, _size(value), pointer=pointer, gist=gist(value))
        return
    yield Token("open", key, _size(value), pointer=pointer, is_open=is_open, gist=gist(value))
    yield from _items(value, limits, pointer, depth + 1, first)
    yield Token("close")


def _items(value: Any, limits: Limits, pointer: str, depth: int, first: int) -> Iterator[Token]:
    for index, (name, item) in enumerate(_pairs(value, first), first):
        if index - first >= LIST_ITEMS or (limits.tokens < 0 and index > first):
            left = len(value) - index
            yield Token(
                "more",
                text=ngettext("%(n)s more", "%(n)s more", left) % {"n": text.number(left)},
                pointer=pointer,
                first=index,
            )
            return
        escaped = str(name).replace("~", "~0").replace("/", "~1")
        yield from tokens(item, limits, pointer=f"{pointer}/{escaped}", key=text.line(name, 120), depth=depth)


def _pairs(value: Any, first: int) -> Sequence[tuple[Any, Any]]:
    pairs: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    return pairs[first:]


def _leaf(value: Any, limits: Limits, pointer: str, key: str) -> Token:
    if isinstance(value, str):
        if len(value) > limits.characters:
            return Token(
                "cut", key, text.visible(value[: limits.characters]) + "…", "v-str", pointer, len(value)
            )
        return Token("leaf", key, text.visible(value), "v-str", pointer)
    if isinstance(value, bool) or value is None:
        return Token("leaf", key, {True: "true", False: "false", None: "null"}[value], "v-word", pointer)
    if isinstance(value, dict | list):
        return Token("leaf", key, "{}" if isinstance(value, dict) else "[]", "size", pointer)
    return Token("leaf", key, str(value), "v-num", pointer)


def _size(value: Any) -> str:
    n = len(value)
    if isinstance(value, dict):
        return ngettext("{ %(n)s key }", "{ %(n)s keys }", n) % {"n": text.number(n)}
    return ngettext("[ %(n)s item ]", "[ %(n)s items ]", n) % {"n": text.number(n)}


def gist(value: Any) -> str:
    """Return the first plain values of a container, as one short line."""
    pairs = list(value.items())[:6] if isinstance(value, dict) else [("", item) for item in value[:6]]
    plain = [(key, item) for key, item in pairs if not isinstance(item, dict | list)]
    told = [f"{key}: {_brief(item)}" if key else _brief(item) for key, item in plain]
    return text.line(", ".join(told), _GIST_CHARACTERS)


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return text.line(value, 40)
    return _leaf(value, Limits(0, 0), "", "").text
