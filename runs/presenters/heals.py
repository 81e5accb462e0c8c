"""Rungs of the healing ladder in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runs.models import Branch
from runs.presenters import text, times
from runs.presenters.status import Chip


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung that was taken: which, what it was, why; `passed` are those before it that were of no use.

    `seq` is the step that it leads to, or comes from. `is_next`: it was taken when the step that is looked at had failed.
    """

    headline: str
    what: str
    why: str
    passed: Sequence[str]
    wait: str
    seq: int
    is_next: bool


def rungs_of(branches: Sequence[Branch], seq: int) -> list[Rung]:
    """Return the rungs around a step."""
    return [_rung(branch, seq) for branch in branches]


def heal_chip(branch: Branch) -> Chip:
    """Return the chip of a node that healing began: which rung, and in full when one points at it."""
    told = _told(branch)
    label = _("rung %(n)s of %(of)s") % {"n": told["rung"] + 1, "of": told["of"]}
    return Chip(label, "need", "retry", text.line(branch.reason, 300))


def heal_words(branch: Branch) -> str:
    """Return what was tried, without the reason."""
    return text.line(branch.reason.partition(", because ")[0].partition(": ")[2], 160)


def _rung(branch: Branch, seq: int) -> Rung:
    told, is_next = _told(branch), branch.left_node_seq == seq
    where = {"n": told["rung"] + 1, "of": told["of"]}
    headline = (_("Then: rung %(n)s of %(of)s") if is_next else _("Begun by rung %(n)s of %(of)s")) % where
    return Rung(
        headline=headline, what=heal_words(branch), why=text.line(branch.reason.partition(", because ")[2], 400),
        passed=[text.line(one, 160) for one in told.get("passed", ())],
        wait=times.duration(told["wait_seconds"]) if told.get("wait_seconds") else "",
        seq=branch.first_seq if is_next else branch.left_node_seq or 0, is_next=is_next,
    )  # fmt: skip


def _told(branch: Branch) -> dict[str, Any]:
    found: dict[str, Any] = (branch.changes or {}).get("heal", {})
    return {"rung": 0, "of": 1} | found
