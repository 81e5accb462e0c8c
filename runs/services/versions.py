"""What a worker needs to know of an agent version; immutable, so it is kept."""

from functools import lru_cache
from uuid import UUID

from runs.models import AgentVersion


@lru_cache(maxsize=1024)
def program_of(agent_version_id: UUID) -> tuple[str, str, str]:
    """Return the agent's slug, and the name and declared version of its program."""
    columns = ("agent__slug", "program", "program_version")
    slug, program, version = AgentVersion.objects.values_list(*columns).get(pk=agent_version_id)
    return slug, program, version
