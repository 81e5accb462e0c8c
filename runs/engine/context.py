"""The context: everything a node may ask of the world, journalled."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from uuid import UUID

from agentops.common.canonical import Cleaner
from agentops.common.types import JsonObject, JsonValue
from runs.engine.control import ControlSignal
from runs.engine.errors import ActionFailedError
from runs.engine.frozen import freeze
from runs.engine.journal import Execute, NodeJournal, Recorded, Request

T = TypeVar("T")


class Shell(Protocol):
    """What the engine asks of the world around it."""

    def perform(self, action: Execute) -> Recorded:
        """Do the action, record its outcome, and return it; or raise a ControlSignal."""

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

    def sleep(self, seconds: float) -> None:
        """Wait durably: the run becomes a row and goes on here afterwards, on whichever worker."""
        if seconds < 0:
            raise ValueError("ctx.sleep needs a number of seconds that is not negative")
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
        if not self._journal.has_recorded_next:
            self._guarded(lambda: self._shell.log(level, message))

    def _act(self, kind: str, name: str, args: dict[str, Any]) -> Any:
        return self._guarded(lambda: self._outcome(Request(kind, name, _object(Cleaner().clean(args)))))

    def _outcome(self, request: Request) -> Any:
        decision = self._journal.decide(request)
        recorded = self._shell.perform(decision) if isinstance(decision, Execute) else decision.recorded
        if recorded.error is not None:
            error = recorded.error
            raise ActionFailedError(
                request.name, str(error["code"]), str(error["message"]), recorded.attempts
            )
        return freeze(recorded.output)

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


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value
