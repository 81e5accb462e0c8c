"""The workspace of a run during one slice: made when a node asks for it, and read when that node commits."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentops.common.conf import conf
from agentops.common.types import JsonObject
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.contents import ContentError, Shelf, contents
from runs.checkpoints.files import Held, files_at
from runs.checkpoints.segments import Tail
from runs.engine.files import File, FileLimits, Manifest, change_between, check_all, check_together
from runs.journal.fence import Lease, persist
from runs.journal.nodes import Position
from runs.workspace.folders import folder_of, remove, restore
from runs.workspace.scan import Found, Signature, read, scan


@dataclass(slots=True)
class Workspace:
    """Costs nothing until a node asks for the folder; a slice that ends takes it away again.

    `at` and `tail` are the slice's own: they say at which checkpoint the run stands. `seen` are the files that stand
    on the disk as the manifest says, by what would tell of a change.
    """

    lease: Lease
    at: Position
    tail: Tail
    manifest: Manifest = field(default_factory=dict)
    seen: dict[str, tuple[Signature, File]] = field(default_factory=dict)
    is_used: bool = False
    _folder: Path | None = None
    _next: Manifest | None = None
    _broken: IntegrityError | None = None

    def open(self) -> Path:
        """Return the folder, with the files of the checkpoint at which the node at hand began.

        Raises: IntegrityError, again at the node's commit, when they are not what was written; OSError.
        """
        if self._broken:
            raise self._broken
        if self._folder is None:
            self._folder = self._restored()
        self.is_used = True
        return self._folder

    def change(self) -> JsonObject | None:
        """Return what the node at hand has changed, its contents stored; None for nothing.

        Raises: WorkspaceError, IntegrityError. Transaction: none open; contents are stored on their own.
        """
        if self._broken:
            raise self._broken
        if not self.is_used or self._folder is None:
            return None
        limits = limits_in_force()
        found = scan(self._folder, limits)
        check_together(one.path for one in found)
        check_all({one.path: one.size_bytes for one in found}, limits)
        shelf = Shelf(self.lease.team_id, persist)
        self._next = {one.path: self._kept(one, shelf, limits) for one in found}
        shelf.flush()
        return change_between(self.manifest, self._next)

    def committed(self) -> None:
        """Take note that the node at hand was committed, with the change that was told."""
        self.is_used = False
        if self._next is not None:
            self.manifest, self._next = self._next, None

    def close(self) -> None:
        if self._folder is not None:
            remove(self._folder)
            self._folder = None

    def _restored(self) -> Path:
        target, team_id = folder_of(self.lease.run_id, self.lease.epoch), self.lease.team_id
        held = Held()
        try:
            held = persist(self._held)
            restore(target, held.manifest, contents(team_id, held.manifest.values(), through=persist))
        except IntegrityError as error:
            self._broken = error
            raise
        except ContentError as error:
            last_good_seq = held.good_before(error.file)
            self._broken = IntegrityError(self.lease.run_id, self.at.head_seq, str(error), last_good_seq)
            raise self._broken from error
        self.manifest = held.manifest
        return target

    def _held(self) -> Held:
        lease, at = self.lease, self.at
        return files_at(lease.team_id, lease.run_id, branch=at.branch, seq=at.head_seq, tip=self.tail.files)

    def _kept(self, found: Found, shelf: Shelf, limits: FileLimits) -> File:
        """Return what the manifest will say of a file: read again only where it may have changed."""
        assert self._folder
        known = self.seen.get(found.path)
        if known is not None and known[0] == found.signature:
            return known[1]
        content = read(self._folder, found, limits)
        before = self.manifest.get(found.path)
        if before is not None and before.sha256 == hashlib.sha256(content).hexdigest():
            file = replace(before, is_executable=found.is_executable)
        else:
            file = shelf.put(content, is_executable=found.is_executable)
        if found.is_settled:
            self.seen[found.path] = (found.signature, file)
        return file


def limits_in_force() -> FileLimits:
    """Return how large a workspace may be."""
    given = conf()
    return FileLimits(given.workspace_max_files, given.workspace_file_max_bytes, given.workspace_max_bytes)
