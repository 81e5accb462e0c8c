"""One place of a state: what stands there, and which steps wrote it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from agentops.common.types import JsonValue
from runs.checkpoints.align import fingerprint
from runs.checkpoints.blame import Blame, Writing
from runs.checkpoints.diff import escape
from runs.engine.updates import split
from runs.presenters import json_tree, text
from runs.presenters.json_tree import Limits, Token
from runs.presenters.status import Words

_TOKENS = 40
_CHARACTERS = 1200
_DEEPEST_CRUMBS = 8

_DID: dict[str, Words] = {
    "set": gettext_lazy("set"),
    "merge": gettext_lazy("merged"),
    "append": gettext_lazy("appended"),
    "remove": gettext_lazy("removed from it"),
}


@dataclass(frozen=True, slots=True)
class Writer:
    """A step that wrote the place: its node, what it did and where, and the address of the state before it."""

    seq: int
    node: str
    did: Words
    where: str
    parent_seq: int
    x: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place, its way from the top as (label, pointer), and the steps that wrote it, the last first.

    `looked_to` is the step back to which was looked when there may be more; None when there is nothing further back.
    """

    pointer: str
    crumbs: list[tuple[str, str]]
    size: str
    tokens: list[Token]
    writers: list[Writer]
    is_given: bool
    looked_to: int | None
    looked_at: str


def place_of_state(state: Any, pointer: str, found: Blame, names: Mapping[int, str], head_seq: int) -> Place:
    """Return what is known of a place in a state.

    Args:
        state: the state.
        pointer: of something that stands in it.
        found: who wrote it.
        names: of the nodes that did, by seq.
        head_seq: the last seq of the scale that the writers are marked on.
    """
    value: JsonValue = json_tree.at(state, pointer)
    return Place(
        pointer=pointer, crumbs=_crumbs(pointer), size=text.size(len(fingerprint(value))),
        tokens=list(json_tree.tokens(value, Limits(_TOKENS, _CHARACTERS), pointer=pointer)),
        writers=[_writer(writing, names, head_seq) for writing in found.writings],
        is_given=found.is_given, looked_to=None if found.is_whole else found.looked_to, looked_at=found.at,
    )  # fmt: skip


def _writer(writing: Writing, names: Mapping[int, str], head_seq: int) -> Writer:
    return Writer(
        seq=writing.seq, node=text.line(names.get(writing.seq, ""), 60), did=_DID.get(writing.op, writing.op),
        where=text.line(writing.pointer, 120), parent_seq=writing.parent_seq, x=round(100 * writing.seq / max(head_seq, 1), 2),
    )  # fmt: skip


def _crumbs(pointer: str) -> list[tuple[str, str]]:
    parts: Sequence[str] = split(pointer)
    found = [
        (text.line(part, 40), "".join(f"/{escape(p)}" for p in parts[: n + 1]))
        for n, part in enumerate(parts)
    ]
    return (
        found
        if len(found) <= _DEEPEST_CRUMBS
        else [("…", found[-_DEEPEST_CRUMBS][1]), *found[1 - _DEEPEST_CRUMBS :]]
    )
