"""Take an answer that came through a door of runs: the run's page, or its calls of the API."""

from typing import Any

from approvals.models import Request
from approvals.services.decide import Choice, decide
from runs.desk import Answer


def take_answer(answer: Answer) -> bool:
    """Return whether the answer was a decision about an open request; where there is none, runs goes on by itself.

    Raises: what decide raises.
    """
    of_step = Request.objects.filter(team_id=answer.actor.team_id, run_id=answer.run_id, seq=answer.seq)
    request = of_step.filter(status="pending").only("pk", "kind", "args").first()
    if request is None:
        return False
    choice = Choice(answer.type, answer.args, _answer(request, answer), answer.message, channel="run")
    decide(actor=answer.actor, request_id=request.pk, choice=choice)
    return True


def _answer(request: Request, answer: Answer) -> Any:
    return answer.answer if request.kind == "ask" or answer.type == "respond" else None
