"""What a worker needs to know of an agent version; immutable, so it is kept."""

from functools import lru_cache
from uuid import UUID

from runs.engine.recovery import Policy
from runs.engine.recovery_form import policy_from
from runs.models import AgentVersion
from runs.programs import get_program


@lru_cache(maxsize=1024)
def program_of(agent_version_id: UUID) -> tuple[str, str, str]:
    """Return the agent's slug, and the name and declared version of its program."""
    columns = ("agent__slug", "program", "program_version")
    slug, program, version = AgentVersion.objects.values_list(*columns).get(pk=agent_version_id)
    return slug, program, version


@lru_cache(maxsize=1024)
def policy_of(agent_version_id: UUID) -> Policy:
    """Return the recovery policy of the version; one without rules where it has none.

    Raises: RecoveryError when its code has no such nodes any more.
    """
    found = AgentVersion.objects.values_list("program", "program_version", "recovery").get(
        pk=agent_version_id
    )
    program, version, recovery = found
    return policy_from(recovery, get_program(program, version).nodes if recovery else ())
