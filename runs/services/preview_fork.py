"""Tell what a fork would do, before it is made."""

from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.types import JsonObject
from runs.checkpoints.diff import Summary, diff, summarise
from runs.selectors.effects import Behind, effects_behind
from runs.services.fork_plan import ForkPlan, ForkRequest, plan_fork


@dataclass(frozen=True, slots=True)
class ForkPreview:
    """A fork that could be made: `patch` is what is changed in the state, `behind` what its parent did from there on."""

    plan: ForkPlan
    patch: list[JsonObject]
    summary: Summary
    behind: Behind


def preview_fork(actor: Actor, run_id: UUID, request: ForkRequest) -> ForkPreview:
    """Return what a fork would do. Nothing is written.

    Raises: NotAllowedError; what fork_run raises for the same request.
    """
    actor.require(Scope.READ)
    plan = plan_fork(actor, run_id, request)
    patch = diff(plan.before, plan.state)
    behind = effects_behind(plan.parent, plan.point, plan.mode, edited=frozenset(plan.edited))
    return ForkPreview(plan, patch, summarise(patch), behind)
