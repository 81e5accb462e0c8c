"""The versions of an agent as its page shows them, and what differs between two of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from runs.models import AgentVersion
from runs.presenters.status import Chip
from runs.presenters.text_diff import DiffLine, text_lines
from runs.selectors.definitions import document_of

LIVE = Chip(_("Live"), "good", "play", _("runs start from it"))
DRAFT = Chip(_("Draft"), "idle", "document", _("never published; it can be tried"))
EARLIER = Chip(_("Earlier"), "idle", "left", _("published, and a newer one is live"))
WITHDRAWN = Chip(_("Withdrawn"), "need", "rewind", _("somebody rolled back from it"))


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version and what may be done with it: published, or rolled back to."""

    version: AgentVersion
    chip: Chip
    n_runs: int
    is_live: bool
    can_publish: bool
    can_roll_back: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A member that differs. `kind`: added, removed or replaced."""

    name: str
    kind: str
    lines: Sequence[DiffLine]


def version_rows(versions: Sequence[AgentVersion], live: int | None, n_runs: dict[Any, int]) -> list[VersionRow]:  # fmt: skip
    """Return the rows, newest first; `live` is the number of the version that starts."""
    newest = live or 0
    return [
        VersionRow(
            it, _chip(it, live), n_runs.get(it.pk, 0), is_live=it.number == live, can_publish=it.number > newest,
            can_roll_back=it.number < newest and bool(it.published_at or it.withdrawn_at),
        )
        for it in versions
    ]  # fmt: skip


def differences(a: AgentVersion, b: AgentVersion) -> list[Difference]:
    """Return the members in which the two differ, each as lines of text."""
    before, after = document_of(a), document_of(b)
    names = [*before, *(name for name in after if name not in before)]
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [
        Difference(name, _kind(name, before, after), text_lines(_words(before.get(name)), _words(after.get(name))))
        for name in changed
    ]  # fmt: skip


def _chip(version: AgentVersion, live: int | None) -> Chip:
    if version.number == live:
        return LIVE
    if version.published_at:
        return EARLIER
    return WITHDRAWN if version.withdrawn_at else DRAFT


def _kind(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    return "added" if name not in before else "removed" if name not in after else "replaced"


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
