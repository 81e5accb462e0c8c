"""The engine without a database: a shell in memory that records, suspends and crashes, and a run played on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from agentops.common.canonical import Cleaner
from runs.engine.commands import Advance, Command, Fail, Finish, Goto, Sleep
from runs.engine.context import Call, Context
from runs.engine.control import ControlSignal, LeaseLost, Suspend
from runs.engine.errors import ToolError
from runs.engine.frozen import freeze, thaw
from runs.engine.journal import Execute, NodeJournal, Recorded, idempotency_key
from runs.engine.program import Program
from runs.engine.tools import ToolCall, ToolSpec
from runs.engine.updates import apply_delta
from runs.tools.registry import get_tool

TEAM, RUN = UUID(int=1), UUID(int=2)
MAX_EXECUTIONS = 2000


@dataclass
class MemoryRun:
    """A run of `program`, node after node, with the journal of the node at hand.

    `faults` are taken one an action: "before" loses the lease before the call, "unrecorded" between the call and
    its record, "after" behind the record; anything else lets the action be. `trace` has, for every execution of a
    node, its seq and what the context gave it.
    """

    program: Program
    state: Any
    faults: Iterator[str] = field(default_factory=lambda: iter(()))
    node: str = ""
    node_seq: int = 1
    next_seq: int = 2
    status: str = "running"
    output: Any = None
    error: str = ""
    journal: dict[int, Recorded] = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    progress: tuple[int, int | None, str] | None = None
    slept_seconds: float = 0.0
    n_riders: int = 0
    trace: list[tuple[int, list[tuple[str, Any]]]] = field(default_factory=list)

    def play(self) -> "MemoryRun":
        """Execute until the run ends; a lost lease or a suspension makes the node run again from its top."""
        self.state, self.node = freeze(self.state), self.program.start_node
        for _ in range(MAX_EXECUTIONS):
            if self.status != "running":
                return self
            self._execute()
        raise AssertionError(f"the run is still at {self.node!r} after {MAX_EXECUTIONS} executions")

    def _execute(self) -> None:
        self.trace.append((self.node_seq, []))
        journal = NodeJournal(self.journal.values(), next_seq=self.next_seq, max_actions=1000)
        context = TracingContext(self, MemoryShell(self), journal)
        try:
            command = self.program.run_node(self.node, context, self.state)
        except ControlSignal:
            command = None
        if context.signal is None and command is not None:
            self.next_seq = journal.next_seq
            self._obey(command)
        else:
            self.next_seq = max(self.next_seq, *(action.seq + 1 for action in self.journal.values()), 0)

    def _obey(self, command: Command) -> None:
        if isinstance(command, Fail):
            self.status, self.error = "failed", command.code
            return
        assert isinstance(command, Advance)
        apply_delta(self.state, command.updates.delta(Cleaner()))
        self.seqs += [self.node_seq, *(self.journal[ordinal].seq for ordinal in sorted(self.journal))]
        self.journal = {}
        if isinstance(command, Finish):
            self.status, self.output = "succeeded", Cleaner().clean(command.output)
            return
        assert isinstance(command, Goto | Sleep)
        self.slept_seconds += command.seconds if isinstance(command, Sleep) else 0
        self.node, self.node_seq, self.next_seq = command.node, self.next_seq, self.next_seq + 1


class TracingContext(Context):
    """A context that notes what it gave the node."""

    def __init__(self, run: MemoryRun, shell: "MemoryShell", journal: NodeJournal) -> None:
        super().__init__(shell, journal, run_id=RUN, agent=run.program.name, attempt=1)
        self._trace = run.trace[-1][1]

    def tool(self, name: str, /, **args: Any) -> Any:
        value = super().tool(name, **args)
        self._trace.append(("action", thaw(value)))
        return value

    def gather(self, *calls: Call, **options: Any) -> list[Any]:
        values = super().gather(*calls, **options)
        self._trace += [("action", thaw(value)) for value in values]
        return values

    def now(self) -> str:
        self._trace.append(("rider", value := super().now()))
        return value

    def random(self) -> float:
        self._trace.append(("rider", value := super().random()))
        return value


class MemoryShell:
    """The engine's Shell: calls registered tools at once, keeps intents and outcomes in the run's journal."""

    def __init__(self, run: MemoryRun) -> None:
        self._run = run

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        """Do them one after the other, the last first: what runs side by side may end in any order."""
        done = {action.ordinal: self._perform(action) for action in reversed(actions)}
        return [done[action.ordinal] for action in actions]

    def _perform(self, action: Execute) -> Recorded:
        fault = next(self._run.faults, "")
        if fault == "before":
            raise LeaseLost
        outcome = self._wait(action) if action.request.kind == "wait" else self._call(action)
        if fault == "unrecorded":
            raise LeaseLost
        self._run.journal[action.ordinal] = outcome
        if fault == "after":
            raise LeaseLost
        return outcome

    def now_iso(self) -> str:
        return f"2026-01-01T00:00:00.{self._count():06}Z"

    def random(self) -> float:
        return self._count() / 1_000_000

    def progress(self, done: int, total: int | None, note: str) -> None:
        self._run.progress = (done, total, note)

    def log(self, level: str, message: str) -> None:
        self._run.logs.append(f"{level}: {message}")

    def _count(self) -> int:
        """Every look at the clock, and every throw of the dice, gives something new."""
        self._run.n_riders += 1
        return self._run.n_riders

    def _wait(self, action: Execute) -> Recorded:
        if action.is_begun and action.is_due:
            return self._recorded(action)
        seconds = float(str(action.request.args["seconds"]))
        self._run.slept_seconds += seconds
        self._run.journal[action.ordinal] = replace(self._recorded(action), status="open", is_due=True)
        raise Suspend(seconds)

    def _call(self, action: Execute) -> Recorded:
        spec = get_tool(action.request.name)
        outcome = self._recorded(action)
        if spec.effect.is_write:
            self._run.journal[action.ordinal] = replace(self._recorded(action), status="open")
        for attempt in range(1, spec.retry.max_attempts + 1):
            try:
                output = Cleaner().clean(
                    spec.run(self._described(action, spec, attempt), **action.request.args)
                )
            except ToolError as error:
                document: Any = {"code": error.error_code, "message": str(error)}
                outcome = replace(self._recorded(action), status="failed", error=document, attempts=attempt)
                if not error.retryable:
                    return outcome
            else:
                return replace(self._recorded(action), output=output, attempts=attempt)
        return outcome

    def _described(self, action: Execute, spec: ToolSpec, attempt: int) -> ToolCall:
        key = idempotency_key(TEAM, RUN, self._run.node_seq, action, spec)
        return ToolCall(TEAM, RUN, action.seq, attempt, key, spec.timeout_seconds)

    @staticmethod
    def _recorded(action: Execute) -> Recorded:
        return Recorded(
            seq=action.seq, ordinal=action.ordinal, name=action.request.name, request_hash=action.request_hash,
            status="succeeded", riders=action.riders, request_text=str(action.request),
        )  # fmt: skip
