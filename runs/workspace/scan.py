"""Looking through a folder that somebody's code has written to, without being led out of it.

Every folder and file is opened by its name alone, relative to the folder it stands in, and never through a link: what is
swapped behind our back leads nowhere. Source: openat(2), O_NOFOLLOW.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from runs.engine.errors import WorkspaceError
from runs.engine.files import FileLimits, check_path, check_size

# A file that was changed twice within one tick of the file system's clock looks the same both times.
SETTLED_NS = 200_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it stands in the folder. `signature` changes with its content, unless it was written just now."""

    path: str
    size_bytes: int
    is_executable: bool
    signature: Signature
    changed_ns: int

    @property
    def is_settled(self) -> bool:
        """Return whether a later change would show in the signature."""
        return self.changed_ns < time.time_ns() - SETTLED_NS


def scan(root: Path, limits: FileLimits) -> list[Found]:
    """Return every file of the folder. Folders that hold none do not count.

    Raises: WorkspaceError for what is no plain file, a name that cannot be kept, too large a file, or too many.
    """
    with _opened(str(root), None, "") as descriptor:
        walk = _Walk(limits, os.fstat(descriptor).st_dev)
        walk.into(descriptor, "")
    return walk.found


def read(root: Path, found: Found, limits: FileLimits) -> bytes:
    """Return the content of a file that scan has found.

    Raises: WorkspaceError when it is another one by now, or is being written to.
    """
    *folders, name = found.path.split("/")
    with (
        _descended(root, folders, found.path) as folder,
        _opened(name, folder, found.path, _FILE) as descriptor,
    ):
        content = b""
        if _signature(os.fstat(descriptor)) == found.signature:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limits.max_file_bytes + 1)
        if _signature(os.fstat(descriptor)) != found.signature or len(content) != found.size_bytes:
            told = "was written to while the node ended; let everything that the node started end before it returns"
            raise WorkspaceError(found.path, told)
    return content


@dataclass(slots=True)
class _Walk:
    """A walk through one file system; it ends early where there is more than may be kept."""

    limits: FileLimits
    device: int
    found: list[Found] = field(default_factory=list)
    n_folders: int = 0

    def into(self, folder: int, prefix: str) -> None:
        for name in self._names(folder):
            path = prefix + name
            check_path(path)
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # taken away just now
            if stat.S_ISDIR(status.st_mode) and status.st_dev == self.device:
                self.n_folders += 1
                with _opened(name, folder, path) as below:
                    self.into(below, f"{path}/")
            else:
                self.found.append(_judged(path, status, self.device))
                check_size(path, status.st_size, self.limits)

    def _names(self, folder: int) -> list[str]:
        room = self.limits.max_files - len(self.found)
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, room + 1))
        if len(names) > room or self.n_folders > self.limits.max_files:
            told = f"holds more than {self.limits.max_files:,} files or folders (workspace_max_files)"
            raise WorkspaceError("", told)
        return names


def _judged(path: str, status: os.stat_result, device: int) -> Found:
    kinds = (
        (stat.S_ISLNK(status.st_mode), "is a symbolic link; write a copy in its place"),
        (
            not stat.S_ISREG(status.st_mode),
            "is no plain file: devices, sockets, pipes and mounts are not kept",
        ),
        (status.st_dev != device, "stands on another file system"),
        (status.st_nlink > 1, "has another hard link; write a copy in its place"),
    )
    for is_wrong, told in kinds:
        if is_wrong:
            raise WorkspaceError(path, told)
    is_executable = bool(status.st_mode & stat.S_IXUSR)
    return Found(
        path, status.st_size, is_executable, _signature(status), max(status.st_ctime_ns, status.st_mtime_ns)
    )


def _signature(status: os.stat_result) -> Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode


@contextmanager
def _descended(root: Path, folders: list[str], path: str) -> Iterator[int]:
    """Open the folder behind the names, one after the other."""
    with _opened(str(root), None, path) as descriptor:
        if not folders:
            yield descriptor
            return
        here = os.dup(descriptor)
    try:
        for name in folders:
            with _opened(name, here, path) as below:
                os.close(here)
                here = os.dup(below)
        yield here
    finally:
        os.close(here)


@contextmanager
def _opened(name: str, folder: int | None, path: str, flags: int = _DIRECTORY) -> Iterator[int]:
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise WorkspaceError(path, f"cannot be read: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
