"""Answer what a person is asked about a write: whether it happened (PROTOCOL 10), or whether it may be made (15)."""

from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from runs import desk
from runs.models import Run
from runs.selectors.runs import run_for
from runs.services.settle_step import Answer, check_answer, questioned, settle_step

_TYPES = {"allow": "approve", "refuse": "reject"}


def resolve_step(
    *, actor: Actor, run_id: UUID, seq: int, outcome: Answer, reason: str, version: int, output: Any = None
) -> Run:
    """Record a person's answer and queue the run; the desk, where there is one, has its say first.

    `ran`: the action succeeded with `output`; `did_not_run`: it failed with the code `did_not_run`; `run_again`: it
    is called once more, under the same idempotency key. Of a write that waits for permission: `allow` lets it be called,
    `refuse` makes it fail with the code `refused`, `ran` gives its output without a call. `version` is the run's
    `epoch` that the person saw.

    Raises: NotAllowedError; NotFoundError; IllegalMoveError when nothing is asked about the step; ConflictError when the
        run changed meanwhile; InvalidInputError when the answer is none to this question, or `output` does not fit the
        tool's output schema.
    Locks: those of settle_step. Transaction: that of settle_step, or the desk's.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    check_answer(questioned(run, seq), outcome)
    if run.epoch != version:
        raise ConflictError(
            "the run went on meanwhile; load it again", version=run.epoch, run_status=run.status
        )
    given = {"outcome": outcome, "output": output}
    said = desk.Answer(actor, run_id, seq, _TYPES.get(outcome, "respond"), answer=given, message=reason)
    if not desk.the_desk().take(said):
        settle_step(
            run_id=run_id,
            seq=seq,
            by=actor.name,
            outcome=outcome,
            reason=reason,
            output=output,
            version=version,
        )
    return run_for(actor, run_id)
