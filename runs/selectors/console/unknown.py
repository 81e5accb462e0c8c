"""Reads about writes whose outcome nobody knows."""

from dataclasses import dataclass
from typing import Any

from agentops.accounts.roles import Actor
from agentops.common.types import JsonObject
from runs.engine.states import RunStatus
from runs.models import Run, Step, Worker
from runs.selectors.steps import StepDetail, step_for
from runs.selectors.tools import output_schema_of


@dataclass(frozen=True, slots=True)
class UnknownStep:
    """A write that a person is asked about: its step, who called it (None: forgotten), and what its tool returns when it runs."""

    detail: StepDetail
    worker: Worker | None
    output_schema: JsonObject | None


def unknown_for(actor: Actor, run: Run) -> UnknownStep | None:
    """Return the write that the run waits for a person to tell about, or to allow; None when it does not."""
    waiting_on: dict[str, Any] = run.waiting_on or {}
    seq = waiting_on.get("seq")
    is_asked = run.status == RunStatus.AWAITING_APPROVAL and waiting_on.get("kind") in (
        "unknown",
        "permission",
    )
    return unknown_at(actor, run, seq) if is_asked and isinstance(seq, int) else None


def unknown_at(actor: Actor, run: Run, seq: int) -> UnknownStep:
    """Return a step as somebody needs it who is to say whether it happened.

    Raises: NotFoundError
    """
    detail = step_for(actor, run.pk, seq)
    worker = Worker.objects.filter(pk=detail.step.worker_id).first() if detail.step.worker_id else None
    return UnknownStep(detail, worker, output_schema_of(detail.step.name))


def left_unknown_for(actor: Actor, run: Run) -> int | None:
    """Return the first step of an ended run that was in flight when somebody ended it; None when there is none."""
    if run.status not in (RunStatus.CANCELLED, RunStatus.EXPIRED):
        return None
    found = Step.objects.filter(team_id=actor.team_id, run_id=run.pk, seq__gt=run.node_seq, status="unknown")
    return found.order_by("seq").values_list("seq", flat=True).first()
