"""What changed between two states, as cards: one for each place, neighbours in one container together.

A list of objects with `role` and `content` is a conversation; its items are shown as messages.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy

from runs.checkpoints.compare import Change, compare
from runs.checkpoints.diff import escape
from runs.presenters import json_tree, text
from runs.presenters.json_tree import Limits, Token
from runs.presenters.status import Chip
from runs.presenters.text_diff import DiffLine, plain, text_lines, word_lines

CARDS_A_PAGE = 60
SHOWN_ITEMS = 5
ALL_ITEMS = 1000
SHOWN_LINES = 40
ALL_LINES = 5000
_VALUE_TOKENS = 24
_ITEM_TOKENS = 9
_VALUE_CHARACTERS = 400
_MESSAGE_MEMBERS = ("role", "content")

CHIPS = {
    "added": Chip(gettext_lazy("Added"), "good", "plus"),
    "removed": Chip(gettext_lazy("Removed"), "bad", "minus"),
    "changed": Chip(gettext_lazy("Changed"), "move", "changed"),
    "moved": Chip(gettext_lazy("Moved"), "wait", "moved"),
}


@dataclass(slots=True)
class Piece:
    """A value on one side: a label (its key, or who said it), lines of text, or the tokens of a JSON tree.

    `side` says where more of it is fetched: a or b.
    """

    sign: str
    side: str
    label: str = ""
    role: str = ""
    lines: Sequence[DiffLine] = ()
    tokens: Sequence[Token] = ()


@dataclass(slots=True)
class Card:
    """One place with what changed there. `pointer` and `place` are its `path` as it can be looked at.

    `left` is how many items or lines are not shown.
    """

    n: int
    kind: str
    chip: Chip
    path: str
    pointer: str
    place: str
    was: str = ""
    count: int = 1
    pieces: list[Piece] = field(default_factory=list)
    left: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """All changes between two states: how many of each kind, and the cards from `first` on."""

    counts: list[tuple[Chip, int]]
    cards: list[Card]
    n_cards: int
    first: int

    @property
    def next_first(self) -> int | None:
        after = self.first + len(self.cards)
        return after if after <= self.n_cards else None

    @property
    def last(self) -> int:
        return self.first + len(self.cards) - 1


def story_of(before: Any, after: Any, *, first: int = 1, full: int = 0) -> Story:
    """Return the changes from `before` to `after`.

    Args:
        before: a state.
        after: another.
        first: the number of the first card, from 1.
        full: the number of a card that is shown whole.
    """
    changes = compare(before, after)
    groups = list(_grouped(changes))
    counts = [
        (chip, n) for kind, chip in CHIPS.items() if (n := sum(change.kind == kind for change in changes))
    ]
    talks = Talks(before, after)
    shown = groups[first - 1 : first - 1 + CARDS_A_PAGE]
    cards = [_card(n, group, talks, is_full=n == full) for n, group in enumerate(shown, first)]
    return Story(counts, cards, len(groups), first)


class Talks:
    """Knows which lists of two states are conversations."""

    def __init__(self, before: Any, after: Any) -> None:
        self._states = {"a": before, "b": after}
        self._known: dict[tuple[str, str], bool] = {}

    def role_at(self, side: str, pointer: str) -> str:
        """Return who said the message that `pointer` is, or is in; empty when it is none."""
        parts = pointer.split("/")
        for end in range(len(parts), 1, -1):
            home = "/".join(parts[: end - 1])
            if parts[end - 1].isdecimal() and self._is_talk(side, home):
                return text.line(json_tree.at(self._states[side], f"{home}/{parts[end - 1]}")["role"], 30)
        return ""

    def _is_talk(self, side: str, pointer: str) -> bool:
        if (side, pointer) not in self._known:
            try:
                found = json_tree.at(self._states[side], pointer)
            except KeyError:
                found = None
            self._known[side, pointer] = isinstance(found, list) and all(map(_is_message, found))
        return self._known[side, pointer]


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("role"), str) and "content" in item


def _grouped(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield changes; what was put into one container, or taken out of it, together."""
    group: list[Change] = []
    for change in changes:
        if group and not _belongs(group[-1], change):
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _belongs(last: Change, change: Change) -> bool:
    home = change.path.rpartition("/")[0]
    is_one_sided = change.kind in ("added", "removed") and change.kind == last.kind
    return is_one_sided and home != "" and home == last.path.rpartition("/")[0]


def _card(n: int, group: Sequence[Change], talks: Talks, *, is_full: bool) -> Card:
    change = group[0]
    is_many = len(group) > 1
    pointer = change.path.rpartition("/")[0] if is_many else change.path
    card = Card(
        n,
        change.kind,
        CHIPS[change.kind],
        pointer,
        text.visible(pointer),
        text.line(pointer or "/", 200),
        count=len(group),
    )
    if change.kind == "moved":
        card.was = text.line(change.was, 200)
    limit = ALL_ITEMS if is_full else SHOWN_ITEMS
    for item in group[:limit]:
        label = json_tree.unescaped(item.path.rpartition("/")[2]) if is_many else ""
        card.pieces += _pieces(item, talks, label)
    card.left = max(0, len(group) - limit) + _cut(card.pieces, ALL_LINES if is_full else SHOWN_LINES)
    return card


def _cut(pieces: Sequence[Piece], limit: int) -> int:
    """Leave `limit` lines in each piece; return how many were taken away."""
    n_left = 0
    for piece in pieces:
        n_left += max(0, len(piece.lines) - limit)
        piece.lines = piece.lines[:limit]
    return n_left


def _pieces(change: Change, talks: Talks, label: str) -> list[Piece]:
    if change.kind == "changed":
        return _changed(change, talks)
    if change.kind == "added":
        return [*_value("a", "b", change.path, change.new, talks, label)]
    if change.kind == "removed":
        return [*_value("d", "a", change.path, change.old, talks, label)]
    return [Piece("s", "b", lines=[plain("s", _gist(change.new))], role=talks.role_at("b", change.path))]


def _changed(change: Change, talks: Talks) -> list[Piece]:
    if isinstance(change.old, str) and isinstance(change.new, str):
        is_long = "\n" in change.old or "\n" in change.new
        lines = (text_lines if is_long else word_lines)(change.old, change.new)
        return [Piece("s", "b", role=talks.role_at("b", change.path), lines=lines)]
    return [
        *_value("d", "a", change.was, change.old, talks),
        *_value("a", "b", change.path, change.new, talks),
    ]


def _value(sign: str, side: str, pointer: str, value: Any, talks: Talks, label: str = "") -> Iterator[Piece]:
    """Yield what shows a value that is on one side only."""
    label = text.line(label, 80)
    role = talks.role_at(side, pointer)
    if role and _is_message(value):
        rest = {key: item for key, item in value.items() if key not in _MESSAGE_MEMBERS}
        said = _said(value["content"])
        yield Piece(sign, side, label, role, lines=[plain(sign, line) for line in said.split("\n")])
        for key, item in rest.items():
            yield Piece(
                sign, side, text.line(key, 80), tokens=_tokens(item, f"{pointer}/{escape(key)}", is_one=False)
            )
    elif isinstance(value, dict | list) and value:
        yield Piece(sign, side, label, role, tokens=_tokens(value, pointer, is_one=not label))
    else:
        lines = [plain(sign, line) for line in _written(value).split("\n")]
        yield Piece(sign, side, label, role, lines=lines)


def _tokens(value: Any, pointer: str, *, is_one: bool) -> list[Token]:
    limits = Limits(_VALUE_TOKENS if is_one else _ITEM_TOKENS, _VALUE_CHARACTERS)
    return list(json_tree.tokens(value, limits, pointer=pointer))


def _said(content: Any) -> str:
    """Return the text of a message; what is not text stands as JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_block(block) for block in content)
    return _written(content)


def _block(block: Any) -> str:
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        return str(block["text"])
    return _written(block)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _gist(value: Any) -> str:
    return text.line(_written(value) if not isinstance(value, dict | list) else json_tree.gist(value), 160)
