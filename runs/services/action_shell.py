"""The shell around a node: does the actions that the engine asks for, and records them."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from django.db import connections

from agentops.common.canonical import Cleaner
from agentops.common.conf import conf
from agentops.common.types import JsonObject
from runs.engine.control import Cancelled, LeaseLost, SliceOver, Suspend
from runs.engine.journal import Execute, Recorded, idempotency_key
from runs.engine.premises import LOOK
from runs.engine.tools import ToolCall, ToolSpec
from runs.engine.waits import Verdict, verdict
from runs.journal import nodes
from runs.journal.actions import ActionJournal, Entry, Place
from runs.journal.fence import Lease, persist
from runs.journal.pending import Pending
from runs.journal.waits import waiting_text
from runs.leases import worker
from runs.llm.ladder import model_spec
from runs.services.admit_children import admit_children
from runs.services.calling import IN_PROCESS_WAIT_SECONDS, Tried, call_tool
from runs.services.judging import begun, judged
from runs.services.map_children import tried_children
from runs.services.reusing import Reusing
from runs.services.second_look import second_look
from runs.services.settle_waits import look_back
from runs.services.slice_clock import SliceClock
from runs.services.spending import refused_tool_call
from runs.services.tell_family import tell_family
from runs.services.workspace import Workspace
from runs.tools.registry import get_tool


@dataclass(slots=True)
class Open:
    """An action that cannot end now: it goes on after `seconds`, or (`is_unknown`) when a person has answered.

    With `is_stopped` the run is paused before it.
    """

    entry: Entry
    attempts: int
    seconds: float
    text: str
    is_unknown: bool = False
    is_stored: bool = False
    is_stopped: bool = False


class ActionShell:
    """The engine's Shell (runs.engine.context.Shell) for one execution of one node."""

    def __init__(self, lease: Lease, place: Place, pending: Pending, clock: SliceClock) -> None:
        self.lease, self.place, self.pending, self.clock = lease, place, pending, clock
        self.journal = ActionJournal(lease, place, pending)
        self.first_failed: int | None = None
        self.reusing: Reusing | None = None
        self.files: Workspace | None = None
        self._control = ""
        self._stop: JsonObject | None = None

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        """Do the actions, record their outcomes, and return them in order; see runs.engine.context.Shell.

        What people have allowed is done when they have decided about all of them.
        """
        if self.clock.is_over():
            nodes.release(self.lease)
            raise SliceOver
        entries = [self._entry(action) for action in actions]
        opened = [found for entry in entries if (found := self._not_now(entry)) is not None]
        waiting = {id(found.entry) for found in opened}
        if any(found.entry.is_asked for found in opened):
            waiting |= {id(entry) for entry in entries if entry.grant is not None}
        done: dict[int, Recorded] = {}
        for entry, result in self._results([e for e in entries if id(e) not in waiting], max_parallel):
            if isinstance(result, Open):
                opened.append(result)
            else:
                done[entry.action.ordinal] = result
        worker().board.arm(conf().node_timeout_seconds)
        self._leave_when_needed(opened)
        return [done[action.ordinal] for action in actions]

    def now_iso(self) -> str:
        return self.clock.now().isoformat().replace("+00:00", "Z")

    def random(self) -> float:
        return random.random()  # noqa: S311 -- recorded, not secret

    def progress(self, done: int, total: int | None, note: str) -> None:
        self.pending.progress = (int(done), None if total is None else int(total), note)

    def log(self, level: str, message: str) -> None:
        self.pending.log(level, Cleaner().clean(str(message)))  # type: ignore[arg-type]  # text stays text

    def workspace(self) -> Path:
        assert self.files
        return self.files.open()

    def _entry(self, action: Execute) -> Entry:
        if action.request.kind == "child_run" and self.reusing:
            return self.reusing.judge_children(Entry(action, is_begun=action.is_begun))
        if action.request.kind in ("wait", "approval", "child_run"):
            return Entry(action, is_begun=action.is_begun)
        spec = _spec(action)
        key = idempotency_key(self.lease.team_id, self.lease.run_id, self.place.node_seq, action, spec)
        entry = Entry(action, spec, key, is_begun=action.is_begun)
        entry = self.reusing.judge(entry) if self.reusing else entry
        return judged(self.lease, entry, self.pending, self.place.node_seq)

    def _not_now(self, entry: Entry) -> Open | None:
        """Return why the action cannot be done now, if so."""
        action, spec = entry.action, entry.spec
        if entry.is_wait:
            return self._not_yet(entry)
        if entry.is_asked:
            return Open(entry, action.attempts, 0.0, entry.judged.text, is_unknown=True)
        if spec is not None and not spec.idempotent and action.is_in_flight:
            return Open(
                entry, action.attempts, action.unknown_seconds, f"did {spec.name} happen?", is_unknown=True
            )
        if action.is_begun and not action.is_due:
            return Open(entry, action.attempts, action.due_seconds, _reason(entry), is_stored=True)
        if action.request.kind == "wait" and not action.is_begun:
            seconds = float(action.request.args["seconds"])  # type: ignore[arg-type]  # ctx.sleep checked it
            return Open(entry, 0, seconds, _reason(entry))
        return None

    def _not_yet(self, entry: Entry) -> Open | None:
        """Return how the wait goes on, or None when it has ended."""
        action, text = entry.action, waiting_text(entry.action.request)
        if not action.is_begun:
            return None if action.request.kind == "child_run" else self._standing(entry)
        if action.is_due and verdict(action.waits) is None:
            action.waits[:] = self.journal.time_out(entry)
        if verdict(action.waits) is not None:
            return None
        return Open(entry, action.attempts, action.due_seconds, text, is_stored=True)

    def _standing(self, entry: Entry) -> Open:
        request = entry.action.request
        return Open(entry, 0, float(str(request.args["timeout_seconds"])), waiting_text(request))

    def _results(self, entries: list[Entry], max_parallel: int) -> Iterator[tuple[Entry, Recorded | Open]]:
        """Yield each action's outcome, recorded, as it ends; calls are made in threads when there are several.

        Each begins when its turn comes: of those that had none when the worker dies, nothing is in question. None
        begins any more once a person has asked to stop.
        """
        if len(entries) <= 1 or max_parallel <= 1:
            for entry in entries:
                if (voided := self._voided(entry)) is not None:
                    yield entry, self._recorded(entry, voided)
                elif self._is_begun(entry):
                    yield entry, self._recorded(entry, self._tried(entry))
            return
        rounds = -(-len(entries) // max_parallel)
        worker().board.arm(
            rounds * max(_longest_seconds(entry) for entry in entries) + conf().timeout_grace_seconds
        )
        with ThreadPoolExecutor(min(max_parallel, len(entries))) as pool:
            yield from self._side_by_side(iter(entries), max_parallel, pool)

    def _side_by_side(
        self, entries: Iterator[Entry], max_parallel: int, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Entry, Recorded | Open]]:
        under_way: dict[Future[Tried], Entry] = {}
        try:
            while True:
                for entry in islice(entries, max_parallel - len(under_way)):
                    if self._is_begun(entry):
                        under_way[pool.submit(self._tried_in_thread, entry)] = entry
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    entry = under_way.pop(future)
                    yield entry, self._recorded(entry, future.result())
        except LeaseLost:
            for future, entry in under_way.items():
                with suppress(LeaseLost):  # what the others bring about is kept as evidence
                    self._recorded(entry, future.result())
            raise

    def _is_begun(self, entry: Entry) -> bool:
        """Store the intent of a write; return whether the action may be done now, as budgets and people allow."""
        if entry.action.request.kind == "tool" and not (self._control or entry.is_served or entry.is_denied):
            self._stop = self._stop or refused_tool_call(self.lease)
        if self._stop is not None:
            return False
        if not self._control and entry.is_write:
            self._heed(begun(self.journal, entry))
        elif self._control:
            return False
        return True

    def _voided(self, entry: Entry) -> Tried | None:
        """Return why the action must not be called, where what a person went by may have changed."""
        if entry.action.request.premises:
            look = Entry(entry.action, get_tool(LOOK))
            worker().board.arm(_longest_seconds(look) + conf().timeout_grace_seconds)
        return second_look(self.lease, entry)

    def _tried_in_thread(self, entry: Entry) -> Tried:
        try:
            return self._tried(entry)
        finally:
            connections.close_all()

    def _tried(self, entry: Entry) -> Tried:
        action, spec = entry.action, entry.spec
        if entry.is_served:
            return Tried(1, output=entry.served)
        if entry.is_denied:
            return Tried(0, error={"code": "denied", "message": entry.judged.text})
        if action.request.kind == "child_run":
            return tried_children(self.lease, self.place, action)
        if spec is None:
            return _waited(entry) if entry.is_wait else Tried(1)
        lease = self.lease
        call = ToolCall(
            lease.team_id, lease.run_id, action.seq, 0, entry.idempotency_key, spec.timeout_seconds
        )
        confirm = partial(self.journal.confirm, entry) if entry.is_write else _nothing
        worker().board.arm(_longest_seconds(entry) + conf().timeout_grace_seconds)
        args = action.request.args if entry.args is None else entry.args
        return call_tool(spec, args, call, attempts=action.attempts, confirm=confirm)

    def _recorded(self, entry: Entry, tried: Tried) -> Recorded | Open:
        """Record what came of the calls; returns the outcome, or how the action stays open."""
        for row in tried.failed:
            self.pending.attempt(row)
        for line in tried.logs:
            self.pending.log("warning", line)
        self.clock.n_done += 1
        if entry.is_wait and not entry.is_begun and not entry.is_served and tried.error is None:
            return self._standing(entry)
        assert entry.spec or not tried.is_unknown
        if tried.is_unknown:
            return Open(
                entry, tried.attempts, 0.0, f"did {entry.action.request.name} happen?", is_unknown=True
            )
        if tried.retry_seconds is not None:
            assert entry.spec
            self._stop = tried.stop or self._stop
            text = f"{entry.spec.name}: attempt {tried.attempts} of {entry.spec.retry.max_attempts} failed"
            return Open(
                entry, tried.attempts, tried.retry_seconds, tried.not_yet or text, is_stopped=bool(tried.stop)
            )
        outcome = _outcome(entry.action, tried)
        if outcome.error is not None:
            failed = [n for n in (entry.action.ordinal, self.first_failed) if n is not None]
            self.first_failed = min(failed)
        self._heed(self.journal.finish(entry, outcome))
        return outcome

    def _leave_when_needed(self, opened: list[Open]) -> None:
        """Let the run wait for everything that is still open, once (PROTOCOL 11, 17)."""
        self._leave_when_asked()
        if self._stop is not None:
            self._pause(self._stop, opened)
        if not opened:
            return
        opened.sort(key=_urgency)
        first, *rest = opened
        if first.entry.is_wait:
            self._wait(first)
        for other in reversed(rest):
            if other.entry.is_asked:
                self.journal.ask(other.entry)
            elif not other.is_stored and not other.is_unknown:
                self.journal.defer(other.entry, other.attempts, other.seconds)
        kind = "retry" if first.entry.spec else "timer"
        waiting_on: JsonObject = {"kind": kind, "seq": first.entry.action.seq, "text": first.text}
        if first.is_unknown and first.seconds <= 0:
            self.journal.ask(first.entry, waiting_on=waiting_on | {"kind": _question(first)})
        else:
            health = ["retrying"] if first.entry.spec else []
            self._sleep(first, waiting_on, health)
        self._leave_when_asked()
        raise Suspend(first.seconds)

    def _pause(self, stop: JsonObject, opened: list[Open]) -> None:
        """Pause the run before an action that a budget does not allow; the others go on when it is resumed."""
        for other in opened:
            if not (other.is_stopped or other.is_stored or other.is_unknown):
                self.journal.defer(other.entry, other.attempts, other.seconds)
        nodes.pause_over_budget(self.lease, stop)
        raise SliceOver

    def _wait(self, opened: Open) -> None:
        """Let the run wait, then look for what came before it stood there (PROTOCOL 16)."""
        is_person = opened.entry.action.request.kind == "approval"
        kind = "person" if is_person else "wait"
        waiting_on: JsonObject = {"kind": kind, "seq": opened.entry.action.seq, "text": opened.text}
        status = "awaiting_approval" if is_person else "waiting"
        self._heed(
            self.journal.wait(
                opened.entry, opened.attempts, opened.seconds, waiting_on=waiting_on, status=status
            )
        )
        if opened.entry.action.request.kind == "child_run":
            persist(lambda: admit_children(self.lease.run_id, opened.entry.action.seq))
        persist(lambda: look_back(self.lease.run_id))
        self._leave_when_asked()
        raise Suspend(opened.seconds)

    def _sleep(self, first: Open, waiting_on: JsonObject, health: list[str]) -> None:
        if first.is_unknown:
            nodes.sleep(self.lease, first.seconds, waiting_on=waiting_on, pending=self.pending)
        else:
            self._heed(
                self.journal.sleep(
                    first.entry, first.attempts, max(first.seconds, 0.0), waiting_on=waiting_on, health=health
                )
            )

    def _heed(self, control: str) -> None:
        self._control = control or self._control

    def _leave_when_asked(self) -> None:
        """End or pause the run when a person has asked for that, now that all that began is recorded."""
        if self._control == "cancel":
            if nodes.end_cancelled(self.lease):
                tell_family(self.lease.run_id)
            raise Cancelled
        if self._control == "pause":
            nodes.pause_asked(self.lease)
            raise SliceOver


def _longest_seconds(entry: Entry) -> float:
    """Return how long the calls of one action and the waits between them may take here."""
    if entry.spec is None:
        return 0.0
    return entry.spec.retry.max_attempts * (entry.spec.timeout_seconds + IN_PROCESS_WAIT_SECONDS)


def _waited(entry: Entry) -> Tried:
    ended = verdict(entry.action.waits)
    assert isinstance(ended, Verdict)
    if ended.cancelled_by is not None:
        told = f"{ended.cancelled_by or 'a person'} cancelled the wait for {entry.action.request.name}"
        return Tried(1, error={"code": "wait_cancelled", "message": told})
    entry.fired = [row.n for row in ended.fired]
    return Tried(1, output=ended.output)


def _spec(action: Execute) -> ToolSpec:
    is_model = action.request.kind == "llm"
    return model_spec(action.request.name) if is_model else get_tool(action.request.name)


def _urgency(opened: Open) -> tuple[bool, float, int]:
    """Return what comes first of what is open: questions, of which the last one is what the run waits for."""
    is_question = opened.is_unknown and opened.seconds <= 0
    return not is_question, opened.seconds, -opened.entry.action.ordinal


def _question(opened: Open) -> str:
    return "permission" if opened.entry.is_asked else "unknown"


def _reason(entry: Entry) -> str:
    return f"{entry.spec.name} is tried again" if entry.spec else "sleeping as the agent asked"


def _nothing() -> None:
    """Nothing needs to be confirmed before a read."""


def _outcome(action: Execute, tried: Tried) -> Recorded:
    return Recorded(
        seq=action.seq, ordinal=action.ordinal, name=action.request.name, request_hash=action.request_hash,
        status="failed" if tried.error else "succeeded", attempts=tried.attempts,
        output=None if tried.error else tried.output, error=tried.error,
    )  # fmt: skip
