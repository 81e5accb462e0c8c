"""supervisord: its configuration, and talking to it over its unix socket."""

import shlex
import subprocess
import sys
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from signal import SIGTERM
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from agentops.embedded.accounts import Account
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.home import Home
from agentops.embedded.processes import start
from agentops.embedded.waiting import wait_until

_HEADER = """\
; Written at each start.
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
nodaemon=true
silent=true
umask=077
logfile={logs}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={state}/supervisord.pid
childlogdir={logs}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM = """
[program:{name}]
command={command}
directory={directory}
autostart=false
autorestart=true
startsecs=1
startretries=20
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""
_UNREACHABLE = (OSError, HTTPException, xmlrpc.client.ProtocolError)


@dataclass(frozen=True)
class Program:
    """One child that is kept alive.

    Attributes:
        name: Also the name of its log.
        command: Its argument list.
        is_server: Started before the others and stopped after them.
        stop_signal: What asks it to end, for example "TERM".
        stop_seconds: After which it is killed.
        account: Whom it runs as; None: the current user.
        directory: Where it runs.
    """

    name: str
    command: Sequence[str]
    is_server: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = 8
    account: Account | None = None
    directory: Path = Path("/")


@dataclass(frozen=True)
class Child:
    """What supervisord says of a program; `state` is RUNNING, STARTING, BACKOFF, STOPPED, FATAL or EXITED."""

    name: str
    state: str
    pid: int


def configuration(home: Home, programs: Sequence[Program]) -> str:
    """The configuration file of supervisord.

    Servers stop last and one after the other, the others first and all at once.

    Raises:
        EmbeddedError: A path holds what the format cannot express.
    """
    header = _HEADER.format(
        socket=_value(home.sockets / "supervisor.sock"), logs=_value(home.logs), state=_value(home.state)
    )
    servers = [program for program in programs if program.is_server]
    others = [program for program in programs if not program.is_server]
    groups = [(program.name, [program]) for program in servers] + ([("product", others)] if others else [])
    return header + "".join(_group(home, name, members, rank) for rank, (name, members) in enumerate(groups))


def _group(home: Home, name: str, members: Sequence[Program], rank: int) -> str:
    names = ",".join(program.name for program in members)
    # Of a lower rank: started earlier, stopped later.
    head = f"\n[group:{name}]\nprograms={names}\npriority={rank}\n"
    return head + "".join(_program(home, program) for program in members)


def _program(home: Home, program: Program) -> str:
    body = _PROGRAM.format(
        name=program.name,
        command=_value(shlex.join(program.command)),
        directory=_value(program.directory),
        stop_signal=program.stop_signal,
        stop_seconds=program.stop_seconds,
        logs=_value(home.logs),
    )
    return body + (f"user={program.account.name}\n" if program.account else "")


def _value(value: object) -> str:
    text = str(value)
    if any(mark in text for mark in (" ;", " #", "\n", "\t;", "\t#")):
        raise EmbeddedError(f"supervisord cannot be told the path {text!r}: move the folder")
    return text.replace("%", "%%")


class Supervisor:
    """A running supervisord and its children."""

    def __init__(self, home: Home, programs: Sequence[Program], environment: dict[str, str]) -> None:
        """Starts supervisord with no child yet; should this process die, the kernel tells it to stop them all.

        Raises:
            EmbeddedError: It does not answer.
        """
        self._log = home.logs / "supervisord.out"
        self._socket = home.sockets / "supervisor.sock"
        self._socket.unlink(missing_ok=True)
        file = home.state / "supervisord.conf"
        file.write_text(configuration(home, programs), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(file)]
        self.process = start(command, log=self._log, orphaned=SIGTERM, environment=environment)
        self._groups = {
            program.name: program.name if program.is_server else "product" for program in programs
        }
        self._wait_until_answering()

    def start(self, name: str) -> None:
        """Starts the program; one that runs is left alone.

        Raises:
            EmbeddedError: Its executable cannot be run.
        """
        try:
            self._call("startProcess", f"{self._groups[name]}:{name}", False)  # noqa: FBT003 - the protocol's own
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise EmbeddedError(f"{name} cannot be started: {fault.faultString}") from fault
        except _UNREACHABLE as error:
            raise EmbeddedError(f"{name} cannot be started: supervisord does not answer") from error

    def children(self) -> list[Child] | None:
        """All programs as they stand; None when supervisord does not answer."""
        try:
            found: Any = self._call("getAllProcessInfo")
        except _UNREACHABLE:
            return None
        return [Child(each["name"], each["statename"], each["pid"]) for each in found]

    def is_running(self, name: str) -> bool:
        """Whether the program is up at this moment."""
        return any(child.name == name and child.state == "RUNNING" for child in self.children() or ())

    def has_ended(self) -> bool:
        """Whether supervisord itself is gone."""
        return self.process.poll() is not None

    def stop(self, *, timeout_seconds: float) -> None:
        """Stops all children in order, then supervisord; kills it after `timeout_seconds`."""
        if not self.has_ended():
            self.process.send_signal(SIGTERM)
        try:
            self.process.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _wait_until_answering(self) -> None:
        try:
            wait_until(
                lambda: self.children() is not None,
                what="supervisord did not answer",
                timeout_seconds=20,
                has_ended=self.has_ended,
            )
        except EmbeddedError as error:
            self.stop(timeout_seconds=1)
            raise EmbeddedError(f"{error}:\n{tail(self._log)}") from error


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, to be shown with an error."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
