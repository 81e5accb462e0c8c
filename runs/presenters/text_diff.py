"""The difference of two texts, line by line, and word by word inside a changed line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.presenters import text

# Beyond these the comparison would take longer than people wait; the texts then stand one below the other.
MAX_COMPARED_LINES = 800
MAX_COMPARED_WORDS = 600
CONTEXT_LINES = 2
MAX_LINE_CHARACTERS = 600
_SQUEEZED = 160
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`sign`: a (added), d (taken away), s (the same), more (a remark)."""

    sign: str
    parts: Sequence[Part]


def plain(sign: str, value: str) -> DiffLine:
    """Return a line without marks."""
    return DiffLine(sign, [Part(text.visible(text.shorten(value, MAX_LINE_CHARACTERS)))])


def text_lines(old: str, new: str) -> list[DiffLine]:
    """Return what makes `new` of `old`, with a little of what stayed around it."""
    before, after = old.split("\n"), new.split("\n")
    start = _n_equal(before, after)
    end = _n_equal(before[start:][::-1], after[start:][::-1])
    middle = before[start : len(before) - end], after[start : len(after) - end]
    tell = _told_apart if max(map(len, middle)) > MAX_COMPARED_LINES else _compared
    head = before[max(0, start - CONTEXT_LINES) : start]
    tail = before[len(before) - end :][:CONTEXT_LINES]
    return [
        *_left_out(start - len(head)),
        *(plain("s", line) for line in head),
        *tell(*middle),
        *(plain("s", line) for line in tail),
        *_left_out(end - len(tail)),
    ]


def word_lines(old: str, new: str) -> list[DiffLine]:
    """Return two lines, the words marked by which they differ."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    start = _n_equal(before, after)
    end = _n_equal(before[start:][::-1], after[start:][::-1])
    middle = before[start : len(before) - end], after[start : len(after) - end]
    old_parts, new_parts = _words(*middle)
    head, tail = "".join(before[:start]), "".join(before[len(before) - end :])
    return [
        DiffLine(sign, [*_shown([(head, False), *parts, (tail, False)])])
        for sign, parts in (("d", old_parts), ("a", new_parts))
    ]


def _compared(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            yield from _stayed(before[i:j])
        elif kind == "replace" and j - i == m - k:
            pairs = [word_lines(*pair) for pair in zip(before[i:j], after[k:m], strict=True)]
            yield from (line for line, _new in pairs)
            yield from (line for _old, line in pairs)
        else:
            yield from (plain("d", line) for line in before[i:j])
            yield from (plain("a", line) for line in after[k:m])


def _stayed(lines: list[str]) -> Iterator[DiffLine]:
    n_hidden = len(lines) - 2 * CONTEXT_LINES
    if n_hidden < 2:
        yield from (plain("s", line) for line in lines)
        return
    yield from (plain("s", line) for line in lines[:CONTEXT_LINES])
    yield from _left_out(n_hidden)
    yield from (plain("s", line) for line in lines[-CONTEXT_LINES:])


def _told_apart(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    yield DiffLine("more", [Part(_("Too long to be compared line by line: what was, then what is."))])
    yield from (plain("d", line) for line in before)
    yield from (plain("a", line) for line in after)


def _left_out(n: int) -> list[DiffLine]:
    if not n:
        return []
    told = ngettext("%(n)s line that stayed", "%(n)s lines that stayed", n) % {"n": text.number(n)}
    return [DiffLine("more", [Part(f"… {told}")])]


def _words(before: list[str], after: list[str]) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return the parts of both texts and whether they differ."""
    if max(len(before), len(after)) > MAX_COMPARED_WORDS:
        return [("".join(before), True)], [("".join(after), True)]
    old: list[tuple[str, bool]] = []
    new: list[tuple[str, bool]] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old.append(("".join(before[i:j]), kind != "equal"))
        new.append(("".join(after[k:m]), kind != "equal"))
    return old, new


def _shown(parts: Sequence[tuple[str, bool]]) -> Iterator[Part]:
    last = len(parts) - 1
    for place, (words, is_changed) in enumerate(parts):
        if not words:
            continue
        if is_changed:
            yield Part(text.visible(text.shorten(words, MAX_LINE_CHARACTERS)), is_changed=True)
        else:
            yield Part(text.visible(_squeezed(words, is_first=place == 0, is_last=place == last)))


def _squeezed(words: str, *, is_first: bool, is_last: bool) -> str:
    """Return a long text that stayed with its middle left out, or the end that is far from the change."""
    if len(words) <= _SQUEEZED:
        return words
    half = _SQUEEZED // 2
    if is_first:
        return "…" + words[-half:]
    return words[:half] + "…" + ("" if is_last else words[-half:])


def _n_equal(left: Sequence[str], right: Sequence[str]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(left), len(right)))
