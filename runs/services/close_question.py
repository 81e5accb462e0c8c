"""Close the question of a step with an answer, and wake the run: what is left when all who must decide have decided."""

from typing import Any, Literal
from uuid import UUID

from django.db.models.functions import Now

from agentops.common.canonical import clean_json
from agentops.common.conf import conf
from agentops.common.errors import ConflictError, IllegalMoveError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.desk import the_desk
from runs.engine.states import RunStatus, legal_moves
from runs.json_schema import check
from runs.models import Run, Wait
from runs.services.checks import misfit
from runs.services.incoming import checked_payload
from runs.services.settle_waits import settle_waits

ReplyType = Literal["approve", "edit", "reject", "respond"]
MAX_MESSAGE_CHARACTERS = 4000


def close_question(
    *,
    run_id: UUID,
    seq: int,
    by: str,
    reply: ReplyType,
    args: Any = None,
    answer: Any = None,
    message: str = "",
) -> None:
    """Close the wait of the step with what `by` answered, and wake the run; see answer_wait, which is the door to it.

    Raises: InvalidInputError; ConflictError naming who answered before; IllegalMoveError when the step asks nobody.
    Locks: the run row, then the wait. Transaction: opens one, then that of settle_waits.
    """
    with transaction():
        run = Run.objects.select_for_update(no_key=True).defer("input", "output").get(pk=run_id)
        wait = _open_wait(run, seq)
        document = _document(wait, reply, args, answer, message)
        Wait.objects.filter(run_id=run_id, seq=seq, n=wait.n, closed_at__isnull=True).update(
            closed_at=Now(), closed_as="person", closed_by=by[:200], reply=document
        )
        the_desk().closed(run_id, seq)
    settle_waits([run_id])


def _open_wait(run: Run, seq: int) -> Wait:
    wait = Wait.objects.filter(run_id=run.pk, seq=seq, kind="person").first()
    if wait is None:
        raise IllegalMoveError(
            f"step {seq} asks nobody", run_status=run.status, legal=legal_moves(RunStatus(run.status))
        )
    if wait.closed_as == "person":
        raise ConflictError(
            f"{wait.closed_by} has answered this already: {(wait.reply or {}).get('type')}",
            answered_by=wait.closed_by, answered_at=wait.closed_at.isoformat() if wait.closed_at else None,
        )  # fmt: skip
    if wait.closed_at is not None or run.ended_at is not None:
        raise IllegalMoveError(
            f"step {seq} waits for nobody any more: the wait ended as {wait.closed_as or run.status}",
            run_status=run.status, legal=legal_moves(RunStatus(run.status)),
        )  # fmt: skip
    return wait


def _document(wait: Wait, reply: ReplyType, args: Any, answer: Any, message: str) -> JsonObject:
    """Return the reply as it reaches the agent.

    Raises: InvalidInputError
    """
    question: dict[str, Any] = wait.details or {}
    fitting = ("respond", "reject") if question["type"] == "ask" else ("approve", "edit", "reject")
    if reply not in fitting:
        raise misfit("/type", f"this step takes {', '.join(fitting)}, not {reply!r}")
    document: JsonObject = {"type": reply, "message": str(clean_json(message))[:MAX_MESSAGE_CHARACTERS]}
    if reply == "edit":
        document["args"] = _checked_args(args)
    if reply == "respond":
        document["answer"] = _checked_answer(question, answer)
    return document


def _checked_args(args: Any) -> JsonObject:
    found = checked_payload(args, max_bytes=conf().input_max_bytes)
    if not isinstance(found, dict):
        raise misfit("/args", "must be an object: the arguments to use instead")
    return found


def _checked_answer(question: dict[str, Any], answer: Any) -> Any:
    found = checked_payload(answer, max_bytes=conf().input_max_bytes)
    if question.get("schema"):
        check(found, question["schema"], what="the answer")
    elif question.get("choices") and found not in question["choices"]:
        raise misfit("/answer", f"must be one of {', '.join(question['choices'])}")
    elif not question.get("choices") and not (isinstance(found, str) and found.strip()):
        raise misfit("/answer", "must be text, and not empty")
    return found
