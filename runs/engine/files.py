"""The files of a workspace: which names they may bear, what a checkpoint says of them, and what changed (pure)."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import WorkspaceError

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class File:
    """One file of a manifest. `blob` is the digest, in hex, under which its content is stored."""

    size_bytes: int
    sha256: str
    is_executable: bool
    blob: str

    @property
    def mode(self) -> str:
        """Return the permissions that it is restored with, in octal."""
        return "755" if self.is_executable else "644"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How many files a workspace may have, how large each may be, and all together."""

    max_files: int
    max_file_bytes: int
    max_bytes: int


Manifest = dict[str, File]


def check_path(path: str) -> None:
    """Accept the path of a file, relative to the workspace, that every host can hold and every page can show.

    Raises: WorkspaceError
    """
    problem = _problem(path)
    if problem:
        raise WorkspaceError(path, problem)


def check_together(paths: Iterable[str]) -> None:
    """Accept paths that stay apart where upper and lower case are the same.

    Raises: WorkspaceError naming the two.
    """
    known: dict[str, str] = {}
    for path in sorted(paths):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            other = known.setdefault(_folded(here), here)
            if other != here:
                told = f"differs from {other!r} in upper and lower case alone, and some hosts cannot tell them apart"
                raise WorkspaceError(path, told)


def check_size(path: str, size_bytes: int, limits: FileLimits) -> None:
    """Accept the size of one file.

    Raises: WorkspaceError
    """
    if size_bytes > limits.max_file_bytes:
        told = f"has {size_bytes:,} bytes, and a file may have {limits.max_file_bytes:,} (workspace_file_max_bytes)"
        raise WorkspaceError(path, told)


def check_all(sizes_bytes: Mapping[str, int], limits: FileLimits) -> None:
    """Accept the number of the files and their size together.

    Raises: WorkspaceError
    """
    if len(sizes_bytes) > limits.max_files:
        told = f"holds {len(sizes_bytes):,} files, and it may hold {limits.max_files:,} (workspace_max_files)"
        raise WorkspaceError("", told)
    total_bytes = sum(sizes_bytes.values())
    if total_bytes > limits.max_bytes:
        largest = max(sizes_bytes, key=lambda path: sizes_bytes[path])
        told = f"holds {total_bytes:,} bytes, and it may hold {limits.max_bytes:,} (workspace_max_bytes)"
        raise WorkspaceError("", f"{told}; the largest file is {largest!r}")


def change_between(before: Manifest, after: Manifest) -> JsonObject | None:
    """Return what makes `after` of `before`, as a checkpoint stores it; None when they are equal.

    `{"put": {path: [size_bytes, sha256, mode, blob]}, "remove": [path]}`
    """
    put: JsonObject = {path: _told(file) for path, file in sorted(after.items()) if before.get(path) != file}
    remove = sorted(before.keys() - after.keys())
    return {"put": put, "remove": list(remove)} if put or remove else None


def apply_change(manifest: Manifest, change: JsonObject) -> list[str]:
    """Apply what change_between told; return the paths that were put.

    Raises: ValueError when it does not fit.
    """
    put, remove = change["put"], change["remove"]
    if not isinstance(put, dict) or not isinstance(remove, list):
        raise ValueError("not a change of files")  # noqa: TRY004 -- stored bytes, not an argument
    for path in remove:
        if manifest.pop(str(path), None) is None:
            raise ValueError(f"{path!r} is removed, and was not there")
    for path, told in put.items():
        manifest[path] = _file(told)
    return list(put)


def contents_of(change: JsonObject) -> list[bytes]:
    """Return the digests of the contents that a change brings, each once."""
    put = change["put"]
    assert isinstance(put, dict)
    return sorted({bytes.fromhex(_file(told).blob) for told in put.values()})


def _told(file: File) -> list[JsonValue]:
    return [file.size_bytes, file.sha256, file.mode, file.blob]


def _file(told: object) -> File:
    match told:
        case [int(size_bytes), str(sha256), ("644" | "755") as mode, str(blob)]:
            return File(size_bytes, sha256, mode == "755", blob)
        case _:
            raise ValueError("not a file of a manifest")


def _problem(path: str) -> str:
    """Return what is wrong with a path; empty when nothing is."""
    try:
        n_bytes = len(path.encode())
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    parts = path.split("/")
    if n_bytes > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        return f"is too long: a path may have {MAX_PATH_BYTES} bytes and {MAX_DEPTH} parts"
    return next((told for part in parts if (told := _problem_of_name(part))), "")


def _problem_of_name(name: str) -> str:
    if name in ("", ".", ".."):
        return "is not a path inside the workspace"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"has a name of more than {MAX_NAME_BYTES} bytes"
    if "\\" in name or any(
        unicodedata.category(character)[0] in "CZ" and character != " " for character in name
    ):
        return "has a backslash, a line break or an invisible character in its name"
    if name != name.strip() or name.endswith("."):
        return "has a name that begins or ends with a space, or ends with a dot"
    if unicodedata.normalize("NFC", name) != name:
        return "has a name that is not in Unicode's composed form (NFC), so that hosts disagree about it"
    return ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
