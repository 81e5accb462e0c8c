"""A run in memory that loses its worker again and again: journalled, suspended and taken up from the node's top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentops.common.canonical import Cleaner
from runs.engine.commands import Advance, Command, Finish, Goto, Sleep
from runs.engine.context import Call, Context
from runs.engine.control import ControlSignal, LeaseLost, Suspend
from runs.engine.frozen import freeze, thaw
from runs.engine.journal import Execute, NodeJournal, Recorded
from runs.engine.program import Program
from runs.engine.updates import apply_delta
from runs.tools.registry import get_tool
from tests.fakes import MAX_ACTIONS, InMemoryShell

MAX_EXECUTIONS = 2000


@dataclass
class StumblingShell(InMemoryShell):
    """Keeps intents and outcomes in `journal`, and loses the lease where `faults` say so, one fault an action.

    "before" loses it before the call, "unrecorded" between the call and its record, "after" behind the record.
    """

    faults: Iterator[str] = field(default_factory=lambda: iter(()))
    journal: dict[int, Recorded] = field(default_factory=dict)
    n_looks: int = 0

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        """Do the last one first: what runs side by side may end in any order."""
        done = {action.ordinal: self._stumbling(action) for action in reversed(actions)}
        return [done[action.ordinal] for action in actions]

    def now_iso(self) -> str:
        return f"2026-01-01T00:00:00.{self._look():06}Z"

    def random(self) -> float:
        return self._look() / 1_000_000

    def _look(self) -> int:
        """Each look at the clock, and each throw of the dice, gives something new."""
        self.n_looks += 1
        return self.n_looks

    def _stumbling(self, action: Execute) -> Recorded:
        fault = next(self.faults, "")
        if fault == "before":
            raise LeaseLost
        outcome = self._begun(action)
        if fault == "unrecorded":
            raise LeaseLost
        self.journal[action.ordinal] = replace(outcome, riders=action.riders)
        if fault == "after":
            raise LeaseLost
        return outcome

    def _begun(self, action: Execute) -> Recorded:
        """Store the intent of a write or a wait before it is done; a wait is over when it is looked at again."""
        is_wait = action.request.kind == "wait"
        if is_wait or get_tool(action.request.name).effect.is_write:
            begun = Recorded(action.seq, action.ordinal, action.request.name, action.request_hash, "open")
            self.journal[action.ordinal] = replace(begun, is_due=True, riders=action.riders)
        if is_wait and not action.is_begun:
            raise Suspend(0)
        return self._perform(action)


@dataclass
class StumblingRun:
    """A run of `program` on a StumblingShell; `trace` has each execution's node seq and what it was given."""

    program: Program
    state: Any
    shell: StumblingShell
    node_seq: int = 1
    next_seq: int = 2
    output: Any = None
    is_done: bool = False
    seqs: list[tuple[int, list[int]]] = field(default_factory=list)
    trace: list[tuple[int, list[tuple[str, Any]]]] = field(default_factory=list)

    def play(self) -> "StumblingRun":
        """Execute until the run ends; a lost lease or a suspension makes the node run again from its top."""
        self.state, self.node = freeze(self.state), self.program.start_node
        for _ in range(MAX_EXECUTIONS):
            if self.is_done:
                return self
            self._execute()
        raise AssertionError(f"the run is still at {self.node!r} after {MAX_EXECUTIONS} executions")

    def _execute(self) -> None:
        self.trace.append((self.node_seq, []))
        self.shell.node_seq = self.node_seq
        recorded = self.shell.journal.values()
        self.next_seq = max((action.seq for action in recorded), default=self.node_seq) + 1
        journal = NodeJournal(recorded, next_seq=self.next_seq, max_actions=MAX_ACTIONS)
        context = TracingContext(self, journal)
        try:
            command = self.program.run_node(self.node, context, self.state)
        except ControlSignal:
            return
        assert context.signal is None, "a program of these tests swallows no signal"
        self._obey(command, journal)

    def _obey(self, command: Command, journal: NodeJournal) -> None:
        assert isinstance(command, Advance)
        apply_delta(self.state, command.updates.delta(Cleaner()))
        actions = [self.shell.journal[ordinal].seq for ordinal in sorted(self.shell.journal)]
        self.seqs.append((self.node_seq, actions))
        self.shell.journal.clear()
        if isinstance(command, Finish):
            self.is_done, self.output = True, command.output
            return
        assert isinstance(command, Goto | Sleep)
        self.node, self.node_seq = command.node, journal.take_seq()


class TracingContext(Context):
    """A context that notes what it gave the node."""

    def __init__(self, run: StumblingRun, journal: NodeJournal) -> None:
        shell = run.shell
        super().__init__(shell, journal, run_id=shell.run_id, agent=run.program.name, attempt=1)
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
