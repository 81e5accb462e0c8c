"""Starts a plan in order, says when it is ready, watches it, and stops it in the reverse order."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentops.embedded import leftovers
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.files import read_json, write_json
from agentops.embedded.home import Home
from agentops.embedded.postgres import Postgres
from agentops.embedded.redis_server import Redis
from agentops.embedded.supervisor import Child, Program, Supervisor, tail
from agentops.embedded.waiting import wait_until

_STOP_SECONDS = 45
_STDOUT = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked the launcher to end; not an error, so no `except Exception` may hold it up."""


@dataclass(frozen=True)
class Preparation:
    """A command that must succeed before the children start, for example the migrations.

    Attributes:
        name: Also the name of its log.
        says: What the person in front of the screen reads meanwhile.
        command: Its argument list.
    """

    name: str
    says: str
    command: Sequence[str]


@dataclass(frozen=True)
class Plan:
    """What to start.

    Attributes:
        home: Where state is kept.
        environment: The children's, whole.
        programs: The children that are no servers.
        postgres: The embedded server; None: the user's own.
        redis: The embedded server; None: the user's own.
        preparations: Run in order once the servers answer; the last JSON object each prints is kept.
        check: Raises EmbeddedError while the servers that are not ours cannot be reached.
        is_served: Whether the product answers requests.
        announce: What to publish, from the preparations' objects: the content of `ready.json` and the line to print.
        directory: Where preparations run.
    """

    home: Home
    environment: dict[str, str]
    programs: Sequence[Program]
    postgres: Postgres | None = None
    redis: Redis | None = None
    preparations: Sequence[Preparation] = ()
    check: Callable[[], None] = lambda: None
    is_served: Callable[[], bool] = lambda: True
    announce: Callable[[Mapping[str, Any]], tuple[dict[str, Any], str]] = lambda _: ({}, "")
    directory: Path = Path("/")


@dataclass
class _Run:
    """What is true of this start."""

    plan: Plan
    say: Callable[[str], None]
    published: dict[str, Any] | None = None
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return self.plan.environment | {leftovers.MARK_NAME: self.plan.home.mark}


def launch(home: Home, make_plan: Callable[[], Plan], say: Callable[[str], None]) -> None:
    """Runs a plan until SIGINT, SIGTERM or SIGHUP; returns when every child is gone.

    Args:
        home: Nobody else runs a plan in it meanwhile.
        make_plan: Called once the home is ours, because it may write there.
        say: Takes each line for the person in front of the screen.

    Raises:
        EmbeddedError: Something did not start, or another `make up` has this home.
    """
    home.create()
    with home.held() as ours, _stopping_on_signals():
        if not ours:
            raise EmbeddedError(_already_running(home))
        try:
            leftovers.clear(home, say)
            run = _Run(make_plan(), say)
            while True:
                _serve(run)
                say("the supervisor was killed: starting again")
                leftovers.clear(home, say)
        except StopRequested:
            pass
        finally:
            _ignore_signals()
            home.ready.unlink(missing_ok=True)
            leftovers.clear(home, say)
            say("stopped")


def _already_running(home: Home) -> str:
    url = read_json(home.ready).get("url")
    where = f"at {url}" if url else "and still starting or stopping"
    return (
        f"already running {where} (process {home.lock.read_text()}, state in {home.root}): "
        "stop that one first, or name another folder in AGENTOPS_HOME"
    )


def _serve(run: _Run) -> None:
    """One life of the supervisor; returns only when somebody killed it."""
    plan = run.plan
    for server in (plan.postgres, plan.redis):
        if server:
            server.prepare()
    supervisor = Supervisor(plan.home, [*_servers(plan), *plan.programs], run.environment)
    try:
        _start(run, supervisor)
        _watch(run, supervisor)
    except EmbeddedError:
        # What follows from a killed supervisor is no fault of the plan.
        if run.published is None or not supervisor.has_ended():
            raise
    except StopRequested as request:
        run.say(f"stopping on {request}")
        raise
    finally:
        supervisor.stop(timeout_seconds=_STOP_SECONDS)


def _start(run: _Run, supervisor: Supervisor) -> None:
    found: dict[str, Any] = {}
    _start_servers(run, supervisor)
    if run.published is None:
        found = _prepare(run)
    run.say(f"starting {', '.join(program.name for program in run.plan.programs)}")
    for program in run.plan.programs:
        supervisor.start(program.name)
    _record(run, supervisor)
    _wait_until_served(run, supervisor)
    if run.published is None:
        run.published, line = run.plan.announce(found)
        _write_ready(run)
        run.say(line)


def _servers(plan: Plan) -> list[Program]:
    found = []
    if plan.postgres:
        # SIGINT is PostgreSQL's fast shutdown: it ends sessions and writes a checkpoint.
        server, account = plan.postgres, plan.postgres.account
        found.append(
            Program(
                "postgres",
                server.command,
                is_server=True,
                stop_signal="INT",
                stop_seconds=20,
                account=account,
            )
        )
    if plan.redis:
        found.append(Program("redis", plan.redis.command, is_server=True))
    return found


def _start_servers(run: _Run, supervisor: Supervisor) -> None:
    plan = run.plan
    if plan.postgres:
        run.say(f"starting PostgreSQL (data in {plan.postgres.data})")
        supervisor.start("postgres")
    if plan.redis:
        run.say(f"starting Redis (data in {plan.redis.data})")
        supervisor.start("redis")
    _record(run, supervisor)
    if plan.postgres:
        _wait_for(run, supervisor, "postgres", plan.postgres.accepts)
        plan.postgres.ensure_database()
    if plan.redis:
        _wait_for(run, supervisor, "redis", plan.redis.accepts)
    if not (plan.postgres and plan.redis):
        run.say("looking for your own servers")
        plan.check()


def _wait_for(run: _Run, supervisor: Supervisor, name: str, accepts: Callable[[], bool]) -> None:
    home = run.plan.home
    log = home.logs / f"{name}.log"
    try:
        wait_until(
            accepts,
            what=f"{name} did not answer",
            timeout_seconds=30,
            has_ended=supervisor.has_ended,
            is_at_work=lambda: supervisor.is_running(name),
            say=run.say,
        )
    except EmbeddedError as error:
        advice = f"; it holds only hints, so {home.root / 'redis'} may be removed" if name == "redis" else ""
        raise EmbeddedError(f"{error} (log: {log}{advice})\n{tail(log)}") from error


def _prepare(run: _Run) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for step in run.plan.preparations:
        run.say(step.says)
        log = run.plan.home.logs / f"{step.name}.log"
        with log.open("wb") as errors:
            done = subprocess.run(
                step.command,
                check=False,
                cwd=run.plan.directory,
                env=run.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        text = done.stdout.decode(errors="replace")
        if done.returncode:
            raise EmbeddedError(f"{step.says}: failed (log: {log})\n{text}{tail(log)}")
        found |= _last_object(text)
    return found


def _last_object(text: str) -> dict[str, Any]:
    for line in reversed(text.splitlines()):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}


def _wait_until_served(run: _Run, supervisor: Supervisor) -> None:
    try:
        wait_until(
            run.plan.is_served,
            what="the product did not answer",
            timeout_seconds=90,
            has_ended=supervisor.has_ended,
            say=run.say,
        )
    except EmbeddedError as error:
        failing = [child.name for child in supervisor.children() or () if child.state != "RUNNING"]
        logs = "".join(f"\n{name}:\n{tail(run.plan.home.logs / f'{name}.log')}" for name in failing)
        raise EmbeddedError(f"{error} (logs in {run.plan.home.logs}){logs}") from error


def _watch(run: _Run, supervisor: Supervisor) -> None:
    had_terminal = os.isatty(_STDOUT)
    while not supervisor.has_ended():
        # `make` as the leader of a session keeps the hang-up to itself and waits for us.
        if had_terminal and not os.isatty(_STDOUT):
            raise StopRequested("the end of its terminal")
        for child in _record(run, supervisor):
            if child.state == "FATAL":
                run.say(
                    f"{child.name} keeps failing (log: {run.plan.home.logs / child.name}.log): trying again"
                )
                with suppress(EmbeddedError):
                    supervisor.start(child.name)
        time.sleep(0.5)


def _record(run: _Run, supervisor: Supervisor) -> list[Child]:
    children = supervisor.children()
    if children is None:
        return []
    pids = {"supervisord": supervisor.process.pid} | {
        child.name: child.pid for child in children if child.pid
    }
    if pids != run.pids:
        leftovers.record(run.plan.home, pids)
        before, run.pids = run.pids, pids
        if run.published is not None:
            for name in pids:
                if name != "supervisord" and before.get(name) != pids[name]:
                    run.say(f"{name} was started again")
            _write_ready(run)
    return children


def _write_ready(run: _Run) -> None:
    pids = run.pids
    content = (run.published or {}) | {
        "pids": {
            "web": pids.get("web"),
            "workers": [pid for name, pid in sorted(pids.items()) if name.startswith("worker")],
            **{name: pids.get(name) for name in ("clock", "postgres", "redis")},
        }
    }
    write_json(run.plan.home.ready, content)


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    def stop(number: int, _frame: object) -> None:
        _ignore_signals()
        raise StopRequested(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
