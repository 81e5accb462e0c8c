"""New files in a folder of this server, below one that its operator allows."""

import hashlib
import os
import stat
import time
from fnmatch import fnmatch
from pathlib import Path

from django.conf import settings

from agentops.common.types import JsonObject, JsonValue
from runs.sources.port import Batch, Found, Place, Reading, SourceError

BATCH = 50
MAX_FILES = 10_000
INLINE_BYTES = 64 << 10

# Size and time of the last change, in ns: a file that shows others is another file.
Shape = tuple[int, int]


def read_folder(place: Place) -> Reading:
    """Yield the files that match, and have not changed for `stable_seconds`, by name; the position lists those that were.

    A file that is written again is told of again. Files stay where they are; links and folders are passed over.

    Raises: SourceError
    """
    folder = _allowed(place.text("path"))
    present = _files(folder, place.text("pattern"))
    known = place.position
    if not isinstance(known, dict):
        known = {} if place.settings["from_start"] else _position(present)
        yield Batch((), known)
    seen: JsonObject = {
        name: shape for name, shape in known.items() if name in present
    }  # those that are gone may come again
    stable_until = time.time() - float(str(place.settings["stable_seconds"]))
    new = [
        name for name, shape in present.items() if seen.get(name) != list(shape) and shape[1] / 1e9 <= stable_until
    ]  # fmt: skip
    for start in range(0, len(new), BATCH):
        names = new[start : start + BATCH]
        seen = seen | _position({name: present[name] for name in names})
        yield Batch([one for name in names if (one := _found(folder, name, present[name]))], seen)
    if not new and seen != known:
        yield Batch((), seen)


def _allowed(path: str) -> Path:
    folder = Path(path).resolve()
    roots = [Path(root).resolve() for root in settings.SOURCE_FOLDERS]
    if not any(folder.is_relative_to(root) for root in roots):
        told = ", ".join(map(str, roots)) or "none"
        raise SourceError(
            f"{path} may not be read; the folders that may, and what is below them: {told}."
            " Whoever runs this server sets SOURCE_FOLDERS"
        )
    return folder


def _files(folder: Path, pattern: str) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if fnmatch(entry.name, pattern) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.name] = (status.st_size, status.st_mtime_ns)
                if len(found) > MAX_FILES:
                    raise SourceError(
                        f"the folder holds more than {MAX_FILES:,} files; move those away that are done with"
                    )
    except OSError as error:
        raise SourceError(
            f"the folder cannot be read ({error.strerror}); check that it is there and that this server's user may read it"
        ) from error
    return dict(sorted(found.items()))


def _position(files: dict[str, Shape]) -> JsonObject:
    return {name: list(shape) for name, shape in files.items()}


def _found(folder: Path, name: str, shape: Shape) -> Found | None:
    """Return the file as an event; None when it went away or cannot be read as what was listed."""
    size, changed_ns = shape
    payload: JsonObject = {
        "name": _shown(name), "path": _shown(str(folder / name)), "size_bytes": size,
        "changed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(changed_ns // 10**9)),
    }  # fmt: skip
    try:
        payload |= {"text": _content(folder / name) if size <= INLINE_BYTES else None}
    except FileNotFoundError:
        return None
    except OSError as error:
        payload |= {"text": None, "problem": error.strerror}
    identity = f"{name}\0{size}\0{changed_ns}".encode("utf-8", "surrogateescape")
    return Found(hashlib.sha256(identity).hexdigest(), "file", payload, key=_shown(name)[:200])


def _content(path: Path) -> JsonValue:
    """Return a short file's text; None when it is not UTF-8."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            return file.read(INLINE_BYTES).decode()
        except UnicodeDecodeError:
            return None


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
