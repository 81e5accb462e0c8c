"""Directories that only their owner can enter, and sockets whose paths fit."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from agentops.embedded.accounts import Account
from agentops.embedded.errors import EmbeddedError

# The kernel keeps a socket's path in 108 bytes, the last of them NUL.
SOCKET_PATH_BYTES = 107
# supervisord binds `<name>.<pid>` first and renames it.
LONGEST_SOCKET_NAME = "supervisor.sock.4194304"
# PostgreSQL splits its list of socket directories at commas and reads quotes in it.
_UNSAFE_IN_SOCKET_PATH = frozenset(",\"'\n")


def private_directory(path: Path, account: Account | None = None) -> Path:
    """A directory with mode 0700 that belongs to `account` (default: the current user).

    Parents that are missing are made; one that exists keeps its mode.

    Raises:
        EmbeddedError: Somebody else's directory or a link stands at that path.
    """
    uid = account.uid if account else os.geteuid()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink() and not path.exists():
        path.mkdir(mode=0o700)
        if account:
            os.chown(path, account.uid, account.gid)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
        raise EmbeddedError(f"{path} is not a directory of user id {uid}: remove it and start again")
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def passable_directory(path: Path) -> Path:
    """A directory that others may enter, made where there is none; one that exists keeps its mode."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o755)  # whatever the umask says
    return path


def fits_a_socket(directory: Path) -> bool:
    """Whether every socket we make in `directory` has a path the kernel and PostgreSQL accept."""
    path = os.fsencode(directory / LONGEST_SOCKET_NAME)
    return len(path) <= SOCKET_PATH_BYTES and not _UNSAFE_IN_SOCKET_PATH & set(str(directory))


def socket_directory(wanted: Path) -> Path:
    """`wanted` made private where socket paths under it fit, else a private directory that is always the same."""
    if fits_a_socket(wanted):
        return private_directory(wanted)
    name = f"agentops-{os.geteuid()}-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - private_directory proves the owner
        if parent and os.access(parent, os.W_OK | os.X_OK) and fits_a_socket(Path(parent, name)):
            return private_directory(Path(parent, name))
    raise EmbeddedError(f"no directory for sockets: {wanted} is too long a path, and so is every fallback")
