"""What a killed `make up` left behind: found by what it recorded and by what its environment bears."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from agentops.embedded.files import read_json, write_json
from agentops.embedded.home import Home
from agentops.embedded.processes import postmaster_pid, start_mark

# In the environment of every child and, by inheritance, of its children.
MARK_NAME = "AGENTOPS_SUPERVISED"


def record(home: Home, pids: Mapping[str, int]) -> None:
    """Notes which processes are ours, with their start times, for the start after a crash."""
    known = {name: [pid, mark] for name, pid in pids.items() if (mark := start_mark(pid))}
    write_json(_record(home), {"home": str(home.root), "processes": known})


def clear(home: Home, say: Callable[[str], None]) -> None:
    """Ends what an earlier start of this home left: its supervisor first, PostgreSQL last; `say` hears of it."""
    if found := {*_children(home), *_databases(home)}:
        say(f"ending {len(found)} processes that an earlier start had left")
    # Each time looked for anew: a number that was freed meanwhile may be somebody else's.
    if supervisor := _recorded(home).get("supervisord"):
        _end([supervisor], patience_seconds=25)
    _end(_children(home), patience_seconds=6)
    # Fast, then immediate: both keep every committed transaction.
    _end(_databases(home), patience_seconds=20, first=signal.SIGINT, last=signal.SIGQUIT)
    _end(_databases(home), patience_seconds=5, first=signal.SIGQUIT)
    _record(home).unlink(missing_ok=True)


def _children(home: Home) -> set[int]:
    """All that is left but PostgreSQL, which must be asked in another way."""
    return {*_recorded(home).values(), *_marked(home)} - set(_databases(home))


def _databases(home: Home) -> list[int]:
    return [pid for data in home.postgres_data() if (pid := postmaster_pid(data))]


def _record(home: Home) -> Path:
    return home.state / "processes.json"


def _recorded(home: Home) -> dict[str, int]:
    """The recorded processes that still live; none where the record came with a copied folder."""
    found = read_json(_record(home))
    if found.get("home") != str(home.root):
        return {}
    return {name: pid for name, (pid, mark) in found["processes"].items() if start_mark(pid) == mark}


def _marked(home: Home) -> Iterable[int]:
    """Processes that inherited this home's mark, ourselves left out."""
    if sys.platform != "linux":
        return []
    wanted = f"{MARK_NAME}={home.mark}".encode()
    return [pid for pid in _visible_pids() if pid != os.getpid() and wanted in _environment_of(pid)]


def _visible_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _end(
    pids: Iterable[int],
    *,
    patience_seconds: float,
    first: signal.Signals = signal.SIGTERM,
    last: signal.Signals = signal.SIGKILL,
) -> None:
    """Signals the processes, waits, and signals those that are left again."""
    marks = {pid: mark for pid in pids if (mark := start_mark(pid))}
    _signal(marks, first)
    deadline = time.monotonic() + patience_seconds
    while (
        left := [pid for pid, mark in marks.items() if start_mark(pid) == mark]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(left, last)


def _signal(pids: Iterable[int], sent: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sent)
