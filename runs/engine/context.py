"""The context: everything a node may ask of the world, journalled."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from agentops.common.canonical import Cleaner
from agentops.common.types import JsonValue
from runs.engine.commands import check_wait
from runs.engine.control import ControlSignal
from runs.engine.errors import ActionFailedError
from runs.engine.frozen import freeze
from runs.engine.journal import Execute, NodeJournal, Recorded, Request

T = TypeVar("T")


class Call:
    """A tool call that ctx.gather will make: `Call("http.get", url=…)`."""

    __slots__ = ("args", "name")

    def __init__(self, name: str, /, **args: Any) -> None:
        self.name, self.args = name, args


class Shell(Protocol):
    """What the engine asks of the world around it."""

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        """Do the actions, record their outcomes, and return them in order; or raise a ControlSignal.

        All that started are finished and recorded before a signal is raised (PROTOCOL 11).
        """

    def now_iso(self) -> str:
        """Return the database's time, RFC 3339 in UTC."""

    def random(self) -> float:
        """Return a random number in [0, 1)."""

    def progress(self, done: int, total: int | None, note: str) -> None:
        """Keep the figures for the next commit."""

    def log(self, level: str, message: str) -> None:
        """Keep the line for the next commit."""


class Context:
    """A node's door to the world. Whatever goes through it happens once, however often the node runs.

    After a control signal every further call raises it again, so that neither a bare `except:` nor a `finally`
    can run on (PROTOCOL 12).
    """

    def __init__(self, shell: Shell, journal: NodeJournal, *, run_id: UUID, agent: str, attempt: int) -> None:
        self._shell, self._journal = shell, journal
        self.signal: ControlSignal | None = None
        self.run_id, self.agent, self.attempt = run_id, agent, attempt

    def tool(self, name: str, /, **args: Any) -> Any:
        """Return what the tool returns; done once, recorded, tried again by the tool's retry policy.

        Raises: ActionFailedError when every attempt failed.
        """
        return self._act("tool", name, args)

    def gather(self, *calls: Call, max_parallel: int = 8, return_errors: bool = False) -> list[Any]:
        """Return what the tools return, in the order of `calls`, done side by side.

        `ctx.gather(Call("http.get", url=a), Call("http.get", url=b))`. With `return_errors` a failed call gives its
        ActionFailedError in its place.

        Raises: ActionFailedError of the first failed call, when all have ended.
        """
        requests = self._guarded(lambda: [_request("tool", call.name, call.args) for call in calls])
        outcomes = self._guarded(lambda: self._outcomes(requests, max_parallel))
        results = [_result(request, recorded) for request, recorded in zip(requests, outcomes, strict=True)]
        failed = [result for result in results if isinstance(result, ActionFailedError)]
        if failed and not return_errors:
            raise failed[0]
        return results

    def sleep(self, seconds: float) -> None:
        """Wait durably: the run becomes a row and goes on here afterwards, on whichever worker.

        Raises: CommandError when `seconds` is not a number from 0 to MAX_WAIT_SECONDS.
        """
        self._guarded(lambda: check_wait("ctx.sleep", seconds))
        self._act("wait", "sleep", {"seconds": seconds})

    def now(self) -> str:
        """Return the database's time (RFC 3339, UTC), the same again when the node runs again."""
        return str(self._rider(self._shell.now_iso))

    def random(self) -> float:
        """Return a number in [0, 1), the same again when the node runs again."""
        return float(self._rider(self._shell.random))  # type: ignore[arg-type]  # a float was recorded

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the run is; shown from the next commit on."""
        self._guarded(lambda: self._shell.progress(done, total, note))

    def log(self, message: str, level: str = "info") -> None:
        """Add a line to the run's log; repeated executions of the node do not repeat it."""
        self._guarded(lambda: self._log(level, message))

    def _act(self, kind: str, name: str, args: dict[str, Any]) -> Any:
        request = self._guarded(lambda: _request(kind, name, args))
        [recorded] = self._guarded(lambda: self._outcomes([request], 1))
        result = _result(request, recorded)
        if isinstance(result, ActionFailedError):
            raise result
        return result

    def _outcomes(self, requests: list[Request], max_parallel: int) -> list[Recorded]:
        """Return the outcomes in order; every ordinal is given before any action starts (PROTOCOL 11)."""
        decisions = self._journal.decide(*requests)
        missing = [decision for decision in decisions if isinstance(decision, Execute)]
        done = iter(self._shell.perform(missing, max_parallel) if missing else [])
        return [next(done) if isinstance(decision, Execute) else decision.recorded for decision in decisions]

    def _log(self, level: str, message: str) -> None:
        if not self._journal.has_recorded_next:
            self._shell.log(level, message)

    def _rider(self, take: Callable[[], JsonValue]) -> JsonValue:
        return self._guarded(lambda: self._journal.rider(take))

    def _guarded(self, act: Callable[[], T]) -> T:
        if self.signal is not None:
            raise self.signal
        try:
            return act()
        except ControlSignal as signal:
            self.signal = signal
            raise


def _result(request: Request, recorded: Recorded) -> Any:
    if recorded.error is None:
        return freeze(recorded.output)
    error = recorded.error
    return ActionFailedError(request.name, str(error["code"]), str(error["message"]), recorded.attempts)


def _request(kind: str, name: str, args: dict[str, Any]) -> Request:
    clean = Cleaner().clean(args)
    assert isinstance(clean, dict)
    return Request(kind, name, clean)
