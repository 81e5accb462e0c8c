"""The files of a workspace as the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy

from runs.presenters import text
from runs.presenters.diff import CHIPS
from runs.presenters.status import Chip
from runs.presenters.text_diff import DiffLine, plain, text_lines
from runs.selectors.files import FileAt, FileChange, FileRow, text_of

MAX_SHOWN_CHARACTERS = 200_000
MAX_SHOWN_LINES = 2000
_CHIPS = {
    FileChange.ADDED: CHIPS["added"],
    FileChange.CHANGED: CHIPS["changed"],
    FileChange.REMOVED: CHIPS["removed"],
    FileChange.SAME: Chip(gettext_lazy("The same"), "idle", "check"),
}


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file in the list. `at` and `before` are the query strings of its page: as it is, and what its step changed."""

    folder: str
    name: str
    size: str
    is_program: bool
    seq: int
    chip: Chip | None
    is_gone: bool
    at: str
    before: str


def file_line(row: FileRow, seq: int, since: int | None) -> FileLine:
    """Return the line of a file at the checkpoint `seq`, told against `since`."""
    folder, slash, name = row.path.rpartition("/")
    is_gone = row.change is FileChange.REMOVED
    at = {"path": row.path, "seq": since if is_gone and since is not None else seq}
    is_compared = row.change is FileChange.CHANGED and since is not None
    before = row.before_seq if since is None else since
    return FileLine(
        folder=text.visible(folder + slash), name=text.visible(name), size=text.size(row.file.size_bytes),
        is_program=row.file.is_executable, seq=row.seq, chip=_CHIPS[row.change] if row.change else None, is_gone=is_gone,
        at=f"?{urlencode(at)}",
        before=f"?{urlencode(at | {'since': before})}" if is_compared or (since is None and before is not None) else "",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of a content: lines, or why it shows none."""

    lines: Sequence[DiffLine]
    is_text: bool
    is_cut: bool


def shown_content(found: FileAt) -> Shown:
    """Return the text of a file, line by line, and no more than people read."""
    content = text_of(found.content)
    if content is None:
        return Shown([], is_text=False, is_cut=False)
    lines = content[:MAX_SHOWN_CHARACTERS].split("\n")
    is_cut = len(content) > MAX_SHOWN_CHARACTERS or len(lines) > MAX_SHOWN_LINES
    return Shown([plain("s", line) for line in lines[:MAX_SHOWN_LINES]], is_text=True, is_cut=is_cut)


def shown_change(before: FileAt | None, after: FileAt | None) -> Shown:
    """Return what changed in the text of a file."""
    old, new = (text_of(side.content) if side else "" for side in (before, after))
    if old is None or new is None:
        return Shown([], is_text=False, is_cut=False)
    is_cut = max(len(old), len(new)) > MAX_SHOWN_CHARACTERS
    lines = text_lines(old[:MAX_SHOWN_CHARACTERS], new[:MAX_SHOWN_CHARACTERS])
    is_cut = is_cut or len(lines) > MAX_SHOWN_LINES
    return Shown(lines[:MAX_SHOWN_LINES], is_text=True, is_cut=is_cut)
