"""Tell what a rewind would do, before it is done."""

from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from runs.engine.reuse import Mode
from runs.models import Run
from runs.selectors.effects import Behind, effects_behind
from runs.selectors.points import Point
from runs.selectors.runs import run_for, runs_of
from runs.services.begin_branch import mode_after
from runs.services.rewind_run import rewind_point


@dataclass(frozen=True, slots=True)
class RewindPreview:
    """A rewind that could be done: where the run would go on, and what it did from there on."""

    run: Run
    point: Point
    mode: Mode
    behind: Behind


def preview_rewind(actor: Actor, run_id: UUID, seq: int) -> RewindPreview:
    """Return what a rewind would do. Nothing is written.

    Raises: NotAllowedError; what rewind_run raises for the same step.
    """
    actor.require(Scope.READ)
    run_for(actor, run_id)
    run = runs_of(actor).select_related("agent", "agent_version").defer("output").get(pk=run_id)
    point, mode = rewind_point(run, seq), mode_after(run)
    return RewindPreview(run, point, mode, effects_behind(run, point, mode))
