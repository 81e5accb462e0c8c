"""What a slice spends of the budgets of its run: steps, seconds and tool calls; and the question at a soft limit."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.budgets import (
    GO_ON,
    PAUSE_IT,
    QUESTION_SECONDS,
    Amounts,
    Unit,
    Verdict,
    Way,
    decide,
    exhausted,
    past_soft,
    question_words,
    spend,
)
from runs.engine.context import Context
from runs.engine.control import SliceOver
from runs.engine.errors import ActionFailedError
from runs.engine.journal import NodeJournal, Recorded
from runs.journal import nodes, purses
from runs.journal.fence import Lease, execute, persist
from runs.journal.pending import now_seconds
from runs.journal.purses import Held
from runs.tools.premises import keep_budgets

_TIMED = (Unit.STEPS, Unit.SECONDS)
# Whom it was asked of has ended without an answer: then it is asked again.
_ASK = (
    "UPDATE runs_purse p SET asked_run_id = %(run_id)s, asked_seq = %(seq)s, question = %(question)s WHERE p.id = %(id)s"
    " AND answer = '' AND (asked_run_id IS NULL OR NOT EXISTS (SELECT 1 FROM runs_run r WHERE r.id = p.asked_run_id"
    " AND r.ended_at IS NULL)) RETURNING id"
)
_ANSWER = (
    "UPDATE runs_purse SET answer = %(answer)s WHERE id = %(id)s AND asked_run_id = %(run_id)s AND asked_seq = %(seq)s"
    " AND answer = '' RETURNING id"
)


class Keeper:
    """Keeps the budgets of one slice. Where the team keeps none it costs one look a second, for all runs of it."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._since, self._steps = now_seconds(), 0
        self._seq, self._n_recorded = 0, 0
        self._journal: NodeJournal | None = None
        if purses.known_units(lease.team_id):
            persist(lambda: purses.settle_left(lease.run_id))

    def at(self, node_seq: int, journal: NodeJournal, recorded: Sequence[Recorded]) -> None:
        """Take note of the node that is executed next."""
        self._count_actions()
        self._seq, self._journal, self._n_recorded = node_seq, journal, len(recorded)

    def consult(self, context: Context) -> None:
        """Pause the run where nothing is left for another node, and ask a person where a soft limit is reached.

        Raises: SliceOver
        """
        if not purses.known_units(self.lease.team_id):
            return
        found, verdict = self._spent({Unit.STEPS.value: int(not self._n_recorded)})
        if verdict.way is Way.STOP:
            refused = purses.refusal(verdict.way, found[verdict.n], verdict.unit, {})
            nodes.pause_over_budget(self.lease, refused.told)
            raise SliceOver
        if (asking := self._asking(found)) is not None:
            self._ask(context, asking)

    def close(self) -> None:
        """Spend what the slice took since its last node began."""
        self._count_actions()
        if _is_timed(self.lease.team_id):
            self._spent({})

    def _count_actions(self) -> None:
        if self._journal is not None:
            self._steps += max(self._journal.ordinal - self._n_recorded, 0)
        self._journal = None

    def _spent(self, node: Amounts) -> tuple[list[Held], Verdict]:
        """Spend what was done since the last time, then `node` where something is left; return the purses, and whether it is."""
        ids = persist(lambda: purses.purse_ids(self.lease.run_id))
        if not _is_timed(self.lease.team_id):
            return persist(lambda: purses.held(ids)), Verdict(Way.GO)
        past: Amounts = {
            Unit.SECONDS.value: round(now_seconds() - self._since, 3),
            Unit.STEPS.value: self._steps,
        }
        found, verdict = persist(lambda: _spend(ids, past, node))
        self._since, self._steps = now_seconds(), 0
        return found, verdict

    def _asking(self, found: Sequence[Held]) -> Held | None:
        """Return the purse whose question belongs to this node: asked here before, or from now on."""
        here = (self.lease.run_id, self._seq)
        if (
            asked := next((one for one in found if (one.asked_run_id, one.asked_seq) == here), None)
        ) is not None:
            return asked
        if self._n_recorded:
            return None
        for one in found:
            unit = past_soft(one.purse)
            if unit and not one.answer:
                question = question_words(one.place, one.purse, unit)
                given = {"run_id": here[0], "seq": here[1], "question": question, "id": one.id}
                if persist(lambda given=given: execute(_ASK, given)) is not None:  # type: ignore[misc]  # bound now
                    return purses.held([one.id])[0]
        return None

    def _ask(self, context: Context, asking: Held) -> None:
        """Raises: SliceOver when a person does not want it to go on; Suspend until somebody has answered."""
        try:
            answer = context.ask(
                asking.question, choices=[GO_ON, PAUSE_IT], timeout_seconds=QUESTION_SECONDS, on_timeout=PAUSE_IT
            )  # fmt: skip
        except ActionFailedError:
            answer = PAUSE_IT
        if persist(lambda: self._answered(asking, str(answer))) and answer != GO_ON:
            raise SliceOver

    def _answered(self, asking: Held, answer: str) -> bool:
        """Heed the answer once: a run that was paused by it and is resumed goes on."""
        given = {"id": asking.id, "run_id": self.lease.run_id, "seq": self._seq, "answer": answer}
        with transaction():
            is_new = execute(_ANSWER, given) is not None
            if is_new and answer != GO_ON:
                text = f"{asking.place} is past its soft limit, and nobody said that it shall go on"
                told: JsonObject = {
                    "kind": "budget",
                    "text": text,
                    "purse": str(asking.id),
                    "unit": past_soft(asking.purse),
                }
                nodes.pause_over_budget(self.lease, told)
        return is_new


def refused_tool_call(lease: Lease) -> JsonObject | None:
    """Take a tool call out of the budgets of the run; return why not, where one has none left."""
    if Unit.TOOL_CALLS not in purses.known_units(lease.team_id):
        return None
    need = {Unit.TOOL_CALLS.value: 1}
    ids = persist(lambda: purses.purse_ids(lease.run_id))
    return persist(lambda: _taken(ids, need))


@keep_budgets
def budget_left(team_id: UUID, run_id: UUID, cost_microusd: int, tokens: int) -> bool | None:
    """Return whether so much is left in every budget of the run; None where none is kept. For premises."""
    found = purses.held(purses.purse_ids(run_id)) if purses.known_units(team_id) else []
    wanted = {Unit.COST.value: cost_microusd, Unit.TOKENS.value: tokens}
    lefts = [(one.purse.left(unit), wanted[unit]) for one in found for unit in wanted]
    counted = [(left, amount) for left, amount in lefts if left is not None]
    return all(left >= amount for left, amount in counted) if counted else None


def _taken(ids: Sequence[UUID], need: Amounts) -> JsonObject | None:
    with transaction():
        found = purses.locked(ids)
        verdict = decide([one.purse for one in found], need)
        if verdict.way is Way.GO:
            for one in found:
                purses.write(one.id, spend(one.purse, need))
            return None
    return purses.refusal(Way.STOP, found[verdict.n], verdict.unit, {}).told


def _spend(ids: Sequence[UUID], past: Amounts, node: Amounts) -> tuple[list[Held], Verdict]:
    with transaction():
        found = [replace(one, purse=spend(one.purse, past)) for one in purses.locked(ids)]
        verdict = exhausted([one.purse for one in found], _TIMED)
        if verdict.way is Way.GO:
            found = [replace(one, purse=spend(one.purse, node)) for one in found]
        for one in found:
            purses.write(one.id, one.purse)
    return found, verdict


def _is_timed(team_id: UUID) -> bool:
    return not purses.known_units(team_id).isdisjoint(_TIMED)
