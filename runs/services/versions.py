"""What a worker needs to know of an agent version; immutable, so it is kept."""

from functools import lru_cache
from uuid import UUID

from runs.definitions import PROGRAM, defined_program
from runs.engine.program import Program
from runs.engine.recovery import Policy
from runs.engine.recovery_form import policy_from
from runs.models import AgentVersion
from runs.programs import get_program


def program_of(agent_version_id: UUID) -> tuple[str, type[Program]]:
    """Return the agent's slug, and the program as it is installed here now.

    Raises: ProgramError
    """
    slug, name, version = _code_of(agent_version_id)
    if name == PROGRAM:
        whole = AgentVersion.objects.select_related("agent")
        return slug, defined_program(agent_version_id, lambda: whole.get(pk=agent_version_id))
    return slug, get_program(name, version)


@lru_cache(maxsize=1024)
def _code_of(agent_version_id: UUID) -> tuple[str, str, str]:
    """Return the agent's slug, and the name and declared version of its program."""
    columns = ("agent__slug", "program", "program_version")
    slug, program, version = AgentVersion.objects.values_list(*columns).get(pk=agent_version_id)
    return slug, program, version


@lru_cache(maxsize=1024)
def policy_of(agent_version_id: UUID) -> Policy:
    """Return the recovery policy of the version; one without rules where it has none.

    Raises: RecoveryError when its code has no such nodes any more.
    """
    recovery = AgentVersion.objects.values_list("recovery", flat=True).get(pk=agent_version_id)
    return policy_from(recovery, program_of(agent_version_id)[1].nodes if recovery else ())
