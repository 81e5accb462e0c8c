"""Whom PostgreSQL runs as. It refuses to run as root, so root needs a system user for it."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass

from agentops.embedded.errors import EmbeddedError

ACCOUNT_NAME = "agentops-pg"


@dataclass(frozen=True)
class Account:
    """A user of this system."""

    name: str
    uid: int
    gid: int


def current_account() -> Account:
    """The user this process runs as.

    Raises:
        EmbeddedError: The user id has no name, which PostgreSQL insists on.
    """
    found = _by_uid(os.geteuid())
    if found is None:
        raise EmbeddedError(
            f"user id {os.geteuid()} has no entry in the user database, and PostgreSQL needs one: "
            "run as a named user, or set DATABASE_URL to a server of your own"
        )
    return found


def postgres_account() -> Account | None:
    """The system user that PostgreSQL must run as; None where the current user will do.

    Raises:
        EmbeddedError: Root could not create the user.
    """
    if os.geteuid() != 0:
        return None
    return _by_name() or _created()


def _created() -> Account:
    subprocess.run(_creation_command(), check=False, capture_output=True)
    made = _by_name()
    if made is None:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and the system user for it could not be created: run "
            f"`useradd --system {ACCOUNT_NAME}`, or start as an ordinary user, or set DATABASE_URL"
        )
    return made


def _creation_command() -> list[str]:
    if shutil.which("useradd"):
        return ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]  # fmt: skip
    return ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", ACCOUNT_NAME]


def _by_name() -> Account | None:
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _by_uid(uid: int) -> Account | None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
