"""Answer what a run asks a person: the one door through which decisions reach a run (the person port)."""

from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from runs.desk import Answer, the_desk
from runs.models import Run
from runs.selectors.runs import run_for
from runs.services.close_question import ReplyType, close_question


def answer_wait(
    *,
    actor: Actor,
    run_id: UUID,
    seq: int,
    reply: ReplyType,
    args: Any = None,
    answer: Any = None,
    message: str = "",
) -> Run:
    """Record a person's answer to the step `seq` and wake the run; the desk, where there is one, has its say first.

    A request to approve takes `approve`, `edit` (with the `args` to use instead) and `reject`; a question takes `respond`
    (with the `answer`) and `reject`.

    Raises: NotFoundError; NotAllowedError; InvalidInputError when the answer does not fit what was asked;
        ConflictError naming who answered before; IllegalMoveError when the step asks nobody.
    Locks: those of close_question. Transaction: that of close_question, or the desk's.
    """
    actor.require(Scope.REVIEW)
    run = run_for(actor, run_id)
    if not the_desk().take(Answer(actor, run_id, seq, reply, args, answer, message)):
        close_question(
            run_id=run_id, seq=seq, by=actor.name, reply=reply, args=args, answer=answer, message=message
        )
    run.refresh_from_db(fields=["status"])
    return run
