"""Make the name of a batch known, so that it is found in the list of batches."""

from agentops.accounts.roles import Actor, Scope
from agentops.common.ids import new_id
from runs.journal.fence import execute

_NOTE = (
    "INSERT INTO runs_batch (id, team_id, name, created_by) VALUES (%(id)s, %(team_id)s, %(name)s, %(actor)s)"
    " ON CONFLICT DO NOTHING"
)


def note_batch(*, actor: Actor, name: str) -> None:
    """Make a batch of that name exist.

    Raises: NotAllowedError. Transaction: none open, or the caller's; one statement.
    """
    actor.require(Scope.RUN)
    execute(_NOTE, {"id": new_id(), "team_id": actor.team_id, "name": name, "actor": actor.name[:200]})
