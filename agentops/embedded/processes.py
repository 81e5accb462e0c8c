"""Processes told apart by id and start time, because ids come again."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agentops.embedded.accounts import Account

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start_mark(pid: int) -> str | None:
    """When the process began, as a text only good for comparison; None for none, or one that is dead already.

    It changes with a reboot, so a number from before it is never taken for the same process.
    """
    if sys.platform != "linux":
        return _start_mark_from_ps(pid)
    try:
        # The name in parentheses may hold anything; the fields begin after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"


def postmaster_pid(data: Path) -> int | None:
    """The process that runs PostgreSQL in the data directory now; None for none.

    The number in `postmaster.pid` alone proves nothing: it may have gone to another process since.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if start_mark(pid) and _works_in(pid, data) else None


def _works_in(pid: int, directory: Path) -> bool:
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == directory.resolve()
    except OSError:
        # Another user's process, or one that has just ended: PostgreSQL itself is not fooled by those.
        return False


def dies_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends `sent` to the child when this process ends, however it ends.

    None where the kernel has no such thing; there the next start clears up.
    """
    if _LIBC is None:
        return None
    parent, prctl = os.getpid(), _LIBC.prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def run(command: Sequence[str | Path], account: Account | None = None) -> subprocess.CompletedProcess[str]:
    """The finished `command`, run as `account` (default: the current user), with its output as text."""
    return subprocess.run(
        command,
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def start(
    command: Sequence[str],
    *,
    log: Path,
    orphaned: signal.Signals,
    account: Account | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A child in a session of its own that gets the signal `orphaned` should this process end without stopping it."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env=environment,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=dies_with_parent(orphaned),  # noqa: PLW1509 - it only makes two system calls
        )


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_mark_from_ps(pid: int) -> str | None:
    said = run(["ps", "-o", "stat=,lstart=", "-p", str(pid)])
    state, _, began = said.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()
