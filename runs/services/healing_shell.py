"""The shell around a node of an agent that heals: calls are made as the rungs in force say, and answers are kept for later."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from runs.engine.context import Context
from runs.engine.errors import GivenUpError
from runs.engine.journal import Execute, Recorded
from runs.engine.reuse import Act, Mark, Verdict
from runs.engine.rungs import GIVE_UP, TRY_AGAIN
from runs.engine.strategy import PLAIN, Strategy
from runs.engine.tools import Effect
from runs.journal.actions import Entry
from runs.journal.fence import persist
from runs.journal.pending import now_seconds
from runs.services.action_shell import ActionShell, Open
from runs.services.cached_reads import cached_output, keep_answer
from runs.services.calling import Tried
from runs.services.read_notes import notes_of
from runs.tools.registry import get_tool


class HealingShell(ActionShell):
    """An ActionShell under a strategy. `failed` names the requests that failed when each tool failed last."""

    strategy: Strategy = PLAIN
    kept_tools: frozenset[str] = frozenset()
    is_all_kept = False

    def remember(self, recorded: Sequence[Recorded]) -> None:
        """Take note of the failures that the journal holds."""
        self.failed = {it.name: [it.request_hash] for it in recorded if it.status == "failed"}
        self._withheld: set[int] = set()
        self._began = now_seconds()

    def notes_behind(self, after: int) -> list[Any]:
        return persist(lambda: notes_of(self.lease.run_id, after))

    def worked_seconds(self) -> float:
        return round(now_seconds() - self._began, 3)

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        done = super().perform(actions, max_parallel)
        lost = [it for it in done if it.error is not None]
        self.failed |= {
            name: [it.request_hash for it in lost if it.name == name] for name in {it.name for it in lost}
        }
        return done

    def _entry(self, action: Execute) -> Entry:
        entry = super()._entry(action)
        if entry.spec is None or entry.judged.act is not Act.PERFORM:
            return entry
        name, request = action.request.name, action.request_hash.hex()
        if name in self.strategy.without:
            self._withheld.add(action.ordinal)
            entry.judged = Verdict(Act.SERVE)
        elif request in self.strategy.skipped:
            self._serve(entry, Mark.SKIPPED, self.strategy.skipped[request])
            self.log("warning", f"{name} was skipped, as the recovery policy says")
        elif request in self.strategy.cached:
            self._serve_kept(entry, *self.strategy.cached[request])
        else:
            self._change(entry, name)
        return entry

    def _serve_kept(self, entry: Entry, run_id: str, seq: int) -> None:
        """Serve the answer of another time; where it is gone by now, the call is made."""
        with suppress(LookupError):
            self._serve(entry, Mark.CACHED, cached_output(self.lease.team_id, UUID(run_id), seq))

    def _serve(self, entry: Entry, mark: Mark, value: object) -> None:
        entry.judged, entry.served = Verdict(Act.SERVE, mark=mark), value  # type: ignore[assignment]  # JSON from a row

    def _change(self, entry: Entry, name: str) -> None:
        """Let the call be made with another time-out, or by another tool under the same name: what was asked stays the same."""
        assert entry.spec
        if other := self.strategy.swaps.get(name):
            entry.spec = replace(get_tool(other), name=name)
            entry.judged = Verdict(mark=Mark.SWAPPED)
        if seconds := self.strategy.timeouts.get(name):
            entry.spec = replace(entry.spec, timeout_seconds=seconds)

    def _tried(self, entry: Entry) -> Tried:
        if entry.action.ordinal in self._withheld:
            told = f"healing goes on without {entry.action.request.name}"
            return Tried(0, error={"code": "tool_withheld", "message": told})
        return super()._tried(entry)

    def _recorded(self, entry: Entry, tried: Tried) -> Recorded | Open:
        result = super()._recorded(entry, tried)
        if isinstance(result, Recorded) and result.error is None and self._is_kept(entry):
            keep_answer(self.lease, result.seq, result.request_hash)
        return result

    def _is_kept(self, entry: Entry) -> bool:
        is_read = entry.spec is not None and entry.spec.effect is Effect.READ and not entry.judged.mark
        return is_read and (self.is_all_kept or entry.action.request.name in self.kept_tools)


def consult(context: Context, strategy: Strategy, *, is_retried: bool) -> None:
    """Ask a person, where the last rung says so, whether the node should be tried again.

    Who retries the run from the console afterwards has answered by that.
    Raises: GivenUpError; RejectedError.
    """
    if not strategy.question:
        return
    answer = context.ask(
        strategy.question, choices=[TRY_AGAIN, GIVE_UP], timeout_seconds=strategy.question_seconds, on_timeout=None
    )  # fmt: skip
    if answer != TRY_AGAIN and not is_retried:
        who = "nobody answered" if answer is None else "a person said no"
        raise GivenUpError(f"{strategy.question} It was not tried again: {who}.")
