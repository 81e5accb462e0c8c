"""Bring a decision that is complete to the run that waits for it."""

from typing import Any, cast

from agentops.common.canonical import digest
from agentops.common.transactions import transaction_required
from approvals.models import Request
from runs.services.checks import misfit
from runs.services.close_question import ReplyType, close_question
from runs.services.settle_step import Answer, settle_step


@transaction_required
def tell_run(request: Request, *, by: str, message: str, answer: Any, verdict: str) -> None:
    """Close the question of the run with what was decided, and wake it.

    Raises: InvalidInputError when an answer is none to the question; IllegalMoveError when the run asks nobody any more.
    """
    if request.kind in ("approve", "ask"):
        edited = request.status == "approved" and digest(request.args) != digest(request.proposed_args)
        reply = {"approved": "edit" if edited else "approve", "rejected": "reject", "answered": "respond"}[
            request.status
        ]
        close_question(
            run_id=request.run_id, seq=request.seq, by=by, reply=cast("ReplyType", reply),
            args=request.args if edited else None, answer=answer, message=message,
        )  # fmt: skip
        return
    outcome, output = _outcome(request, verdict, answer)
    settle_step(run_id=request.run_id, seq=request.seq, by=by, outcome=outcome, reason=message, output=output)


def _outcome(request: Request, verdict: str, answer: Any) -> tuple[Answer, Any]:
    """Return what becomes of the step of a write.

    Raises: InvalidInputError
    """
    if verdict in ("approve", "edit"):
        return "allow", None
    if verdict == "reject":
        return "refuse", None
    given = answer if isinstance(answer, dict) else {}
    fitting = ("ran", "did_not_run", "run_again") if request.kind == "unknown" else ("ran",)
    if given.get("outcome") not in fitting:
        raise misfit("/answer/outcome", f"must be one of {', '.join(fitting)}")
    return given["outcome"], given.get("output")
