"""Rows of the pages of memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from memory.engine.kinds import ItemStatus, SpaceKind, Trust
from memory.models import Item, Revision, Space
from memory.selectors.search import Hit
from runs.presenters import text
from runs.presenters.status import Chip
from runs.presenters.text_diff import DiffLine, text_lines

KINDS: dict[SpaceKind, tuple[str | Promise, str | Promise]] = {
    SpaceKind.CORE: (gettext_lazy("Core"), gettext_lazy("part of every prompt")),
    SpaceKind.EPISODIC: (gettext_lazy("Episodic"), gettext_lazy("what happened")),
    SpaceKind.SEMANTIC: (gettext_lazy("Semantic"), gettext_lazy("what is so")),
    SpaceKind.PROCEDURAL: (gettext_lazy("Procedural"), gettext_lazy("how it is done")),
}
TRUST: dict[Trust, str | Promise] = {
    Trust.SYSTEM: gettext_lazy("from the system"),
    Trust.HUMAN: gettext_lazy("by a person"),
    Trust.AGENT: gettext_lazy("by an agent"),
    Trust.UNTRUSTED: gettext_lazy("from a source nobody vouches for"),
}
_STATUS: dict[str, tuple[str, str, str | Promise]] = {
    ItemStatus.ACTIVE: ("good", "check", gettext_lazy("Active")),
    ItemStatus.QUARANTINED: ("need", "approval", gettext_lazy("Waits for a person")),
    ItemStatus.SUPERSEDED: ("idle", "swap", gettext_lazy("Superseded")),
    ItemStatus.FORGOTTEN: ("idle", "cross", gettext_lazy("Forgotten")),
    "expired": ("idle", "expired", gettext_lazy("Expired")),
}
_TABS: list[tuple[str, str | Promise]] = [
    ("active", gettext_lazy("Active")),
    ("quarantined", gettext_lazy("To be looked at")),
    ("expired", gettext_lazy("Expired")),
    ("superseded", gettext_lazy("Superseded")),
    ("forgotten", gettext_lazy("Forgotten")),
    ("all", gettext_lazy("All")),
]
GIST_CHARACTERS = 220


@dataclass(frozen=True, slots=True)
class SpaceRow:
    space: Space
    kind: str | Promise
    meaning: str | Promise
    n_active: int
    n_quarantined: int


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item in a list; `why` says what its place in a search is made of."""

    item: Item
    chip: Chip
    gist: str
    trust: str | Promise
    why: str = ""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """A revision, what it changed of the text, and in words what else."""

    revision: Revision
    chip: Chip
    lines: Sequence[DiffLine]
    changes: Sequence[str]
    is_current: bool


def space_row(space: Space) -> SpaceRow:
    kind, meaning = KINDS[SpaceKind(space.kind)]
    return SpaceRow(space, kind, meaning, getattr(space, "n_active", 0), getattr(space, "n_quarantined", 0))


def item_row(item: Item, why: str = "") -> ItemRow:
    now_at = getattr(item, "now_at", None)
    is_over = item.status == ItemStatus.ACTIVE and bool(
        item.expires_at and now_at and item.expires_at <= now_at
    )
    chip = _chip("expired" if is_over else item.status)
    gist = text.visible(text.shorten(" ".join(item.text.split()), GIST_CHARACTERS))
    return ItemRow(item, chip, gist, TRUST[Trust(item.trust)], why)


def hit_row(hit: Hit) -> ItemRow:
    names = {"lexical": _("words"), "vector": _("letters")}
    places = ", ".join(f"{names[name]} #{place}" for name, place in sorted(hit.ranked.places.items()))
    factors = (
        (_("age ×%(n).2f"), hit.ranked.decay),
        (_("importance ×%(n).2f"), hit.ranked.importance_factor),
        (_("trust ×%(n).2f"), hit.ranked.trust_factor),
    )
    told = [label % {"n": factor} for label, factor in factors if round(factor, 2) != 1.0]
    return item_row(hit.item, " · ".join([places, *told]))


def status_tabs(current: str) -> list[tuple[str, str | Promise, bool]]:
    return [(value, label, value == current) for value, label in _TABS]


def revision_rows(revisions: Sequence[Revision]) -> list[RevisionRow]:
    """Return the revisions, the newest first as given, each with what it changed of the one before it."""
    rows = [
        RevisionRow(
            new,
            _chip(new.status),
            text_lines(old.text, new.text) if old.text != new.text else [],
            _changes(old, new),
            n == 0,
        )
        for n, (new, old) in enumerate(pairwise(revisions))
    ]
    if revisions:
        first = revisions[-1]
        rows.append(RevisionRow(first, _chip(first.status), _all_new(first.text), [], len(revisions) == 1))
    return rows


def _changes(old: Revision, new: Revision) -> list[str]:
    told = []
    for name, label in (
        ("importance", _("importance")),
        ("trust", _("trust")),
        ("tags", _("tags")),
        ("is_pinned", _("pinned")),
        ("status", _("status")),
        ("data", _("data")),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            told.append(f"{label}: {_told(before)} → {_told(after)}")
    return told


def _all_new(said: str) -> list[DiffLine]:
    return [line for line in text_lines("", said) if line.sign != "d"]


def _told(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return text.visible(text.shorten(str(value), 80)) if value not in (None, "") else "–"


def _chip(status: str) -> Chip:
    tone, icon, word = _STATUS[status]
    return Chip(word, tone, icon)
