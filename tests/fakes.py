"""Fakes that keep the contract of what they stand for."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from agentops.common.canonical import Cleaner
from agentops.common.ids import new_id
from agentops.common.types import JsonObject
from runs.engine.children import inputs_of
from runs.engine.commands import Advance, Fail, Finish, Goto, Sleep
from runs.engine.context import Context
from runs.engine.errors import ToolError
from runs.engine.frozen import freeze, thaw
from runs.engine.journal import Execute, NodeJournal, Recorded, idempotency_key
from runs.engine.program import Program
from runs.engine.tools import ToolCall
from runs.engine.updates import apply_delta
from runs.journal.waits import is_wait
from runs.programs import get_program
from runs.tools.registry import get_tool

TEAM_ID = UUID(int=1)
MAX_ACTIONS = 1000


@dataclass
class InMemoryShell:
    """A Shell that keeps everything in memory and does not wait: pauses are only noted, in `waits`.

    What runs wait for comes from `deliveries`; when that is empty, their time is over. Children are run at once, to their
    end; `children` keeps how they ended.
    """

    run_id: UUID = field(default_factory=new_id)
    time: str = "2026-01-31T12:00:00Z"
    node_seq: int = 0
    calls: list[tuple[str, JsonObject]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    deliveries: list[JsonObject] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    figures: tuple[int, int | None, str] | None = None
    children: dict[str, JsonObject] = field(default_factory=dict)
    folder: Path | None = None

    def workspace(self) -> Path:
        self.folder = self.folder or Path(tempfile.mkdtemp(dir=os.environ["WORKSPACES"]))
        return self.folder

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        """Do the actions one after the other, with their retries, and return what the journal would hold."""
        return [self._perform(action) for action in actions]

    def _perform(self, action: Execute) -> Recorded:
        if action.request.kind == "child_run":
            return self._with_children(action)
        if is_wait(action.request):
            fired = self._ended_children(action) or self.deliveries[:1]
            del self.deliveries[:1]
            return _recorded(action, 1, {"fired": fired, "timed_out": not fired}, None)
        if action.request.kind == "wait":
            self.waits.append(float(str(action.request.args["seconds"])))
            return _recorded(action, 1, None, None)
        self.calls.append((action.request.name, action.request.args))
        spec = get_tool(action.request.name)
        key = idempotency_key(TEAM_ID, self.run_id, self.node_seq, action, spec)
        attempt = 0
        while True:
            attempt += 1
            call = ToolCall(TEAM_ID, self.run_id, action.seq, attempt, key, spec.timeout_seconds)
            try:
                return _recorded(
                    action, attempt, Cleaner().clean(spec.run(call, **action.request.args)), None
                )
            except ToolError as error:
                self.failures.append(error.error_code)
                delay = spec.retry.delay_seconds(attempt, 0.5, error.retry_after_seconds)
                if delay is None or not error.retryable:
                    document: JsonObject = {"code": error.error_code, "message": str(error)}
                    return _recorded(action, attempt, None, document)
                self.waits.append(delay)

    def _with_children(self, action: Execute) -> Recorded:
        args: Any = action.request.args
        if "run_ids" in args:
            return _recorded(action, 1, [self.children[run_id]["output"] for run_id in args["run_ids"]], None)
        entries = [self._child(action.request.name, n, value) for n, value in enumerate(inputs_of(args))]
        if "timeout_seconds" not in args:
            return _recorded(action, 1, {"run_id": entries[0]["run_id"], "agent": action.request.name}, None)
        failed = [entry["error"] for entry in entries if entry["error"]]
        if len(entries) - len(failed) < args["min_successes"]:
            return _recorded(action, 1, None, {"code": "child_failed", "message": str(failed)})
        return _recorded(action, 1, {"children": entries}, None)

    def _child(self, agent: str, index: int, state: JsonObject) -> JsonObject:
        ended = run_program(get_program(agent), state, InMemoryShell(deliveries=self.deliveries))
        error: JsonObject | None = None
        if ended.failure:
            error = {"code": ended.failure.code, "message": ended.failure.message}
        entry: JsonObject = {
            "index": index, "run_id": str(new_id()), "status": "failed" if error else "succeeded",
            "output": ended.output, "error": error,
        }  # fmt: skip
        self.children[str(entry["run_id"])] = entry
        return entry

    def _ended_children(self, action: Execute) -> list[JsonObject]:
        conditions: Any = action.request.args.get("conditions", ())
        return [
            {"kind": "child", "name": one["name"], **self.children[one["child_id"]], "index": n}
            for n, one in enumerate(conditions)
            if one.get("child_id") in self.children
        ][:1]

    def now_iso(self) -> str:
        return self.time

    def notes_behind(self, after: int) -> list[Any]:
        return []

    def random(self) -> float:
        return 0.5

    def worked_seconds(self) -> float:
        return 1.0

    def progress(self, done: int, total: int | None, note: str) -> None:
        self.figures = (done, total, note)

    def log(self, level: str, message: str) -> None:
        self.logs.append(message)


@dataclass(frozen=True)
class Ended:
    """How a run ended: the state then, and the output or the Fail."""

    state: Any
    output: Any
    failure: Fail | None = None


def run_program(
    program: type[Program], state: JsonObject, shell: InMemoryShell, *, max_nodes: int = 2000
) -> Ended:
    """Walk through the nodes of a program, as the real shell does, and return how it ended."""
    here, agent, next_seq = freeze(state), program(), 1
    name = agent.start_node
    for _ in range(max_nodes):
        shell.node_seq = next_seq
        journal = NodeJournal([], next_seq=next_seq + 1, max_actions=MAX_ACTIONS)
        context = Context(shell, journal, run_id=shell.run_id, agent=program.name, attempt=1)
        command = agent.run_node(name, context, here)
        if isinstance(command, Fail):
            return Ended(thaw(here), None, command)
        assert isinstance(command, Advance)
        shell.notes.append(f"{name}: {command.note}")
        apply_delta(here, command.updates.delta(Cleaner()))
        if isinstance(command, Finish):
            return Ended(thaw(here), Cleaner().clean(command.output))
        if isinstance(command, Sleep):
            shell.waits.append(command.seconds)
        assert isinstance(command, Goto | Sleep)
        name, next_seq = command.node, journal.next_seq
    raise AssertionError(f"{program.name} did not end within {max_nodes} nodes; it is at {name}")


def _recorded(action: Execute, attempts: int, output: Any, error: JsonObject | None) -> Recorded:
    return Recorded(
        seq=action.seq, ordinal=action.ordinal, name=action.request.name, request_hash=action.request_hash,
        status="failed" if error else "succeeded", attempts=attempts, output=output, error=error,
    )  # fmt: skip
