"""A process that has read all code once, and of which every worker and clock of a cluster is a fork.

They are processes as any other: with a session of their own, the command's `main`, and a death of their own. To read the
code anew costs each of them three seconds, which is most of what hundreds of them would cost.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODULES = ("tests.crash.settings", "tests.crash.unprotected")


class Child:
    """A process that the nursery has forked; what of `subprocess.Popen` the tests use."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid, self.returncode = pid, None
        self._nursery = nursery

    def poll(self) -> int | None:
        """Return how it ended, as a `Popen` tells it; None while it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises: TimeoutExpired"""
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(0.02)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Nursery:
    """The process, spoken to in lines of JSON."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.ask()

    def start(self, command: list[str], environment: dict[str, str], log: Path) -> Child:
        """Return a process that does `command`, given what of the environment is its own."""
        return Child(self, self.ask(command=command, environment=environment, log=str(log)))

    def ask(self, **question: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()


_last: list[tuple[dict[str, str], Nursery]] = []


def nursery(**own: str) -> Nursery:
    """Return the nursery of processes with this environment; what settings are made of is read once for all of them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"} | own
    if not _last or _last[0][0] != environment:
        close_last()
        _last.append((environment, Nursery(environment)))
    return _last[0][1]


@atexit.register
def close_last() -> None:
    while _last:
        _last.pop()[1].close()


def main() -> None:
    """Fork what is asked for until nobody is there to ask."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what code prints as it is read is no answer
    _read_all_code()
    for line in sys.stdin:
        question = json.loads(line)
        answer = None
        if "command" in question:
            answer = _fork(question)
        elif "ended" in question:
            answer = _ended(question["ended"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _read_all_code() -> None:
    import django
    import kombu.transport.redis  # noqa: F401 -- as the others, for the forks

    django.setup()
    from django.db import connections

    import agentops.celery
    import runs.management.commands.clock
    import runs.tasks  # noqa: F401

    agentops.celery.app.loader.import_default_modules()
    assert connections["default"].connection is None, "forks must not share it"


def _ended(pid: int) -> int | None:
    """Return how a fork ended, once: the minus of the signal, or its exit code; None while it lives."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _fork(question: dict[str, Any]) -> int:
    """Return the id of a process that leads a session of its own: whoever is told of it may end the whole of that."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        with os.fdopen(told, "rb") as has_session:
            has_session.read(1)
        return pid
    try:
        os.setsid()
        os.close(told)
        os.close(tell)
        _begin(question)
    finally:  # whatever happens, a fork never goes on as a nursery
        os._exit(70)
    return 0


def _begin(question: dict[str, Any]) -> None:
    """Be the process that was asked for: with its output, environment and settings."""
    log = os.open(question["log"], os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ |= question["environment"]
    _take_settings()
    try:
        _do(question["command"])
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


def _take_settings() -> None:
    from django.conf import settings

    from agentops.common.conf import conf
    from runs import leases
    from tests.crash.without import PROTECTIONS

    settings.AGENTOPS = json.loads(os.environ["CLUSTER_CONF"])
    settings.WORKER_SLOTS = int(os.environ["WORKER_SLOTS"])
    conf.cache_clear()
    leases._process = leases.WorkerProcess(["default"], settings.WORKER_SLOTS)
    for name in filter(None, os.environ.get("WITHOUT", "").split(",")):
        PROTECTIONS[name]()


def _do(command: list[str]) -> None:
    """Do `manage.py …` or `-m celery …` as it would be done from a shell."""
    from celery.__main__ import main as celery
    from django.core.management import execute_from_command_line

    if command[0] == "manage.py":
        execute_from_command_line(command)
    else:
        sys.argv = command[1:]
        celery()


if __name__ == "__main__":
    main()
