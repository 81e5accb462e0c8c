"""Reading the files of a run's workspace, as they were at any of its checkpoints."""

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import InvalidInputError, NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.contents import contents
from runs.checkpoints.files import Held, files_at
from runs.checkpoints.lineage import branch_of
from runs.engine.files import File
from runs.selectors.checkpoints import state_at_for
from runs.selectors.runs import check_here, run_for, runs_of


class FileChange(StrEnum):
    """How a file differs from what it was at another checkpoint."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file at a checkpoint: the same as step `seq` left it (0: the fork brought it along).

    `before_seq` is the checkpoint before that step, None where there is none. `change` is told against another checkpoint, if one was asked for; a removed file is shown as it was there.
    """

    path: str
    file: File
    seq: int
    before_seq: int | None
    change: FileChange | None = None


@dataclass(frozen=True, slots=True)
class FilesAt:
    """The files at the checkpoint `seq`, by path; against those at `since`, where that was asked for."""

    seq: int
    since: int | None
    rows: list[FileRow]

    @property
    def n_files(self) -> int:
        return len(self._there())

    @property
    def n_bytes(self) -> int:
        return sum(row.file.size_bytes for row in self._there())

    def _there(self) -> list[FileRow]:
        return [row for row in self.rows if row.change is not FileChange.REMOVED]


@dataclass(frozen=True, slots=True)
class FileAt:
    """One file with its content, at the checkpoint `at_seq`."""

    at_seq: int
    row: FileRow
    content: bytes


def files_for(actor: Actor, run_id: UUID, seq: int | None = None, *, since: int | None = None) -> FilesAt:
    """Return the files at the last checkpoint up to step `seq`, or at the head.

    Raises: NotFoundError, IntegrityError; see runs.selectors.checkpoints.state_at_for.
    """
    at, held = _held(actor, run_id, seq)
    rows = [_row(held, path) for path in sorted(held.manifest)]
    if since is None:
        return FilesAt(at, None, rows)
    before_at, before = _held(actor, run_id, since)
    return FilesAt(at, before_at, sorted(_compared(rows, before), key=lambda row: row.path))


def file_for(actor: Actor, run_id: UUID, path: str, seq: int | None = None) -> FileAt:
    """Return a file with its content, checked against the chain.

    Raises: NotFoundError, also for a path that is not there at this checkpoint; IntegrityError.
    """
    at, held = _held(actor, run_id, seq)
    file = held.manifest.get(path)
    if file is None:
        told = f"run {run_id} has no file {path[:200]!r} after step {at}"
        raise NotFoundError(told, seq=at)
    team_id = run_for(actor, run_id).team_id
    try:
        [(_, content)] = contents(team_id, [file])
    except ValueError as error:
        raise IntegrityError(run_id, held.seqs[path], f"the file {path!r}") from error
    return FileAt(at, _row(held, path), content)


def file_pair_for(
    actor: Actor, run_id: UUID, path: str, a: int, b: int
) -> tuple[FileAt | None, FileAt | None]:
    """Return a file at two checkpoints; None where it is not there.

    Raises: NotFoundError when it is at neither; IntegrityError.
    """
    pair = _or_none(actor, run_id, path, a), _or_none(actor, run_id, path, b)
    if pair == (None, None):
        raise NotFoundError(f"run {run_id} has no file {path[:200]!r} after step {a}, nor after step {b}")
    return pair


def text_of(content: bytes) -> str | None:
    """Return a content as text; None for what is none."""
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def seq_of(text: str) -> int | None:
    """Return the step that a parameter names; None when it is empty.

    Raises: InvalidInputError
    """
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInputError(f"a step is a whole number from 0, not {text[:50]!r}")
    return int(text) if text else None


def _or_none(actor: Actor, run_id: UUID, path: str, seq: int) -> FileAt | None:
    _, held = _held(actor, run_id, seq)
    return file_for(actor, run_id, path, seq) if path in held.manifest else None


def _held(actor: Actor, run_id: UUID, seq: int | None) -> tuple[int, Held]:
    """Return the checkpoint and its files; the chain up to it tells which change was the last."""
    run = runs_of(actor).filter(pk=run_id).only("id", "team_id", "branch", "head_seq", "archived_at").first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
    check_here(run)
    goal = run.head_seq if seq is None else seq
    built = state_at_for(actor, run_id, goal)
    held = files_at(run.team_id, run.pk, branch=branch_of(run, goal), seq=built.seq, tip=built.tail.files)
    return built.seq, held


def _row(held: Held, path: str, change: FileChange | None = None) -> FileRow:
    seq = held.seqs[path]
    return FileRow(path, held.manifest[path], seq, held.before[seq] if seq else None, change)


def _compared(rows: list[FileRow], before: Held) -> list[FileRow]:
    found = [replace(row, change=_change(before.manifest.get(row.path), row.file)) for row in rows]
    there = {row.path for row in rows}
    return found + [_row(before, path, FileChange.REMOVED) for path in before.manifest if path not in there]


def _change(before: File | None, after: File) -> FileChange:
    if before is None:
        return FileChange.ADDED
    return FileChange.SAME if before == after else FileChange.CHANGED
