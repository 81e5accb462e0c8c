"""Where archives stand: a folder, or a bucket that speaks S3. `ARCHIVES` says which."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from django.conf import settings

from agentops.common.errors import BrokenArchiveError


class Place(Protocol):
    """Keeps files under keys, which look like relative paths. A file is there whole, or not at all."""

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file. Raises: OSError."""

    def fetch(self, key: str, path: Path) -> None:
        """Write the kept file to `path`. Raises: BrokenArchiveError when it is not there; OSError."""

    def delete(self, key: str) -> None:
        """Take the file away, if it is there. Raises: OSError."""


class Folder:
    """A folder, perhaps on a shared disk; what it says was kept is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, path: Path) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with path.open("rb") as source, draft.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
            draft.rename(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync(target.parent)

    def fetch(self, key: str, path: Path) -> None:
        try:
            shutil.copyfile(self._path(key), path)
        except FileNotFoundError as error:
            raise BrokenArchiveError(
                f"the archive {key} is not in the folder of archives any more"
            ) from error

    def delete(self, key: str) -> None:
        """Take the file away, and what a killed archiver left of it under other names."""
        target = self._path(key)
        target.unlink(missing_ok=True)
        for draft in target.parent.glob(f".{target.name}.*"):
            draft.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = self._root / key
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise BrokenArchiveError(f"{key} is no key of an archive")
        return path


def place_in_force() -> Place:
    """Return where this installation keeps its archives.

    Raises: ImproperlyConfigured for an address of S3 where boto3 is not installed.
    """
    told = str(settings.ARCHIVES)
    if told.startswith("s3://"):
        from runs.archives.s3 import Bucket

        parts = urlsplit(told)
        return Bucket(parts.netloc, prefix=parts.path.strip("/"))
    return Folder(Path(told))


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk: a rename is lost with the power until then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
