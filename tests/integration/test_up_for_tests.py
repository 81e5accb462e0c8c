"""The servers of the tests themselves come once a session and leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_up import PROJECT, linux_only, until

_SESSION = """
import json, os, sys, time
from tests.pg import ensure_servers
first = ensure_servers()
os.environ["PYTEST_XDIST_WORKER"] = "gw2"
print(json.dumps([first, ensure_servers()]), flush=True)
sys.stdin.readline()
"""


class Session:
    """Another test session, with a temporary directory of its own."""

    def __init__(self, directory: Path) -> None:
        names = ("DATABASE_URL", "REDIS_URL", "AGENTOPS_TEST_REDIS_URL", "PYTEST_XDIST_WORKER")
        environment = {name: value for name, value in os.environ.items() if name not in names}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SESSION],
            cwd=PROJECT,
            env=environment | {"TMPDIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.first, self.in_worker = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """One that another user can pass through and whose paths leave room for a socket's name."""
    path = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def listening(session: Session) -> bool:
    """Whether a process still has the session's data directory open."""
    place = Path(session.first[1].removeprefix("unix://")).parents[1]
    return any(str(place) in command for command in _commands())


def _commands() -> list[str]:
    found = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def test_a_session_starts_servers_once_and_removes_them_at_its_end(short_directory: Path) -> None:
    session = Session(short_directory)
    assert listening(session)
    assert session.first[0] == session.in_worker[0]
    assert session.in_worker[1] == session.first[1].replace("db=0", "db=3")

    session.end()
    assert session.process.returncode == 0
    assert not listening(session)
    assert list(short_directory.iterdir()) == []


@linux_only
def test_what_a_killed_session_leaves_the_next_one_removes(short_directory: Path) -> None:
    killed = Session(short_directory)
    assert listening(killed)
    killed.kill()
    until(lambda: not listening(killed))
    assert len(list(short_directory.iterdir())) == 1

    Session(short_directory).end()
    assert list(short_directory.iterdir()) == []
