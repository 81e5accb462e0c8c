"""Small files that only their owner reads and that are never seen half written."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentops.embedded.errors import EmbeddedError


def write_private(path: Path, content: str) -> None:
    """Replaces the file at once with `content`, mode 0600."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces the file at once with the object, mode 0600."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty where there is none or it is broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_environment(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of the file; empty where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_environment(path: Path, values: Mapping[str, str]) -> None:
    """Writes `NAME=value` lines, mode 0600.

    Raises:
        EmbeddedError: A value holds a line break.
    """
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise EmbeddedError(f"the environment variable {name} holds a line break")
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()))


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Whether this process got the lock on the file; the kernel frees it however the process ends.

    The file then holds the process id, for those who come later.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield True
