"""The folders of workspaces: made whole under another name, then renamed; taken away the same way round.

A folder bears the run and the epoch in its name, so that a worker that lost its lease never meets the one that has it
now. It is a cache: what counts is what the run's checkpoints hold.
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection

from runs.engine.files import File, Manifest, check_path, check_together

_FOLDER = re.compile(r"\.?([0-9a-f-]{36})\.(\d{1,18})(?:\.[0-9a-f]{16})?\Z")


def base() -> Path:
    """Return where the workspaces of this installation stand; the name tells databases apart that share a disk."""
    of = connection.settings_dict
    place = "\0".join(str(part) for part in (of["HOST"], of["PORT"] or 5432, of["NAME"]))
    return Path(settings.WORKSPACES) / hashlib.sha256(place.encode()).hexdigest()[:12]


def folder_of(run_id: UUID, epoch: int) -> Path:
    """Return where the workspace of a run stands while it is executed under this epoch."""
    return base() / f"{run_id}.{epoch}"


def restore(target: Path, manifest: Manifest, contents: Iterable[tuple[File, bytes]]) -> None:
    """Make the folder with the files of the manifest. It is not there before all of them are.

    Raises: OSError; WorkspaceError for a path that a manifest may not hold; what `contents` raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_together(manifest)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    draft.mkdir(mode=0o700)
    try:
        _write(draft, manifest, contents)
        draft.rename(target)
    except BaseException:
        remove(draft)
        raise


def remove(folder: Path) -> None:
    """Take a folder away, if it is there; under another name first, so that nobody finds half of it."""
    match = _FOLDER.match(folder.name)
    assert match
    gone = folder.with_name(f".{match[1]}.{match[2]}.{secrets.token_hex(8)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)
    if gone.exists():  # an agent may have taken its own folders' permissions away
        for _, _, _, descriptor in os.fwalk(gone, onerror=_open_up, follow_symlinks=False):
            os.fchmod(descriptor, stat.S_IRWXU)
        shutil.rmtree(gone, ignore_errors=True)


def found() -> Iterator[tuple[Path, UUID, int]]:
    """Yield every folder on this host, finished or not, with the run and the epoch that it was made for."""
    try:
        paths = sorted(base().iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        match = _FOLDER.match(path.name)
        if match:
            yield path, UUID(match[1]), int(match[2])


def _write(draft: Path, manifest: Manifest, contents: Iterable[tuple[File, bytes]]) -> None:
    paths: dict[File, list[str]] = {}
    for path, file in manifest.items():
        check_path(path)
        paths.setdefault(file, []).append(path)
    for file, content in contents:
        for path in paths.pop(file, []):
            _write_one(draft / path, content, 0o755 if file.is_executable else 0o644)
    assert not paths


def _write_one(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)


def _open_up(error: OSError) -> None:
    if error.filename:
        Path(error.filename).chmod(stat.S_IRWXU)
