"""Judging the actions of a branch that goes where its run, or another, has been before."""

from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonValue
from runs.engine.reuse import Act, placeholder
from runs.engine.tools import Effect, ToolSpec
from runs.journal.actions import Entry
from runs.journal.fence import Lease, persist
from runs.journal.reuse import load_reuses, reusable_output
from runs.json_schema import check


class Reusing:
    """What becomes of each action of one slice, by the effect mode of the run's branch."""

    def __init__(self, lease: Lease, mode: str, branch: int, node_seq: int) -> None:
        self.lease, self.branch = lease, branch
        self.reuses = load_reuses(lease, mode, branch, node_seq)

    def judge(self, entry: Entry) -> Entry:
        """Return the entry with what becomes of it: its output where it is served, its key where it has an older one.

        Raises: IntegrityError
        """
        assert entry.spec
        return self._judged(entry, entry.spec)

    def judge_children(self, entry: Entry) -> Entry:
        """Return the entry of an action that starts other runs: those that were started before are not started again.

        A run that is started asks before its own writes, or simulates them, as this one does.
        """
        return self._judged(entry, ToolSpec(entry.action.request.name, Effect.READ, _nothing))

    def _judged(self, entry: Entry, spec: ToolSpec) -> Entry:
        action = entry.action
        verdict = self.reuses.decide(action.seq, spec, action.request_hash, is_begun=action.is_begun)
        entry.judged = verdict
        entry.idempotency_key = verdict.idempotency_key or entry.idempotency_key
        if verdict.act is Act.SERVE:
            assert verdict.n is not None
            n = verdict.n
            entry.served = persist(lambda: reusable_output(self.lease, self.branch, n))
        elif verdict.act is Act.SIMULATE:
            entry.served = simulated(spec)
        return entry


def _nothing(*_: object) -> JsonValue:
    return None


def simulated(spec: ToolSpec) -> JsonValue:
    """Return what a call of the tool might have returned: of the shape of its output schema where that is possible."""
    made = placeholder(spec.name, spec.output_schema)
    try:
        check(made, spec.output_schema or {}, what="the placeholder")
    except InvalidInputError:
        return placeholder(spec.name, None)
    return made
