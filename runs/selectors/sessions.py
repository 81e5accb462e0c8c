"""Sessions: which stretch a run of a language model is in."""

from agentops.accounts.roles import Actor, Scope
from agentops.common.types import JsonObject
from runs.engine.errors import ProgramError
from runs.llm.program import LlmAgent
from runs.models import Run, Step
from runs.programs import get_program


def session_for(actor: Actor, run: Run) -> JsonObject | None:
    """Return the number of the run's session; None where its program has none. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    version = run.agent_version
    try:
        program = get_program(version.program, version.program_version)
    except ProgramError:
        return None
    if not issubclass(program, LlmAgent):
        return None
    handed = Step.objects.filter(
        run_id=run.pk, kind="node", name="handoff", status="succeeded", branch=run.branch
    )
    return {"number": handed.count() + 1}
