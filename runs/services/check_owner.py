"""Keep what stands in an agent's definition from being changed by hand: the version that starts runs says what holds."""

from typing import Protocol

from agentops.common.errors import ConflictError
from runs.models import Agent


class Owned(Protocol):
    """A row that may stand in an agent's definition."""

    defined_by: Agent | None


def check_owner(row: Owned, defined_by: Agent | None) -> None:
    """Accept a change by whom the row belongs to. Raises: ConflictError."""
    owner = row.defined_by
    if owner is not None and owner != defined_by:
        raise ConflictError(
            f"this stands in the definition of the agent {owner.slug!r}: change it there, and publish that version",
            agent=owner.slug,
        )
