"""Send a callback again, now."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from runs.journal.fence import execute
from runs.selectors.callbacks import CallbackLog, callback_for

_AGAIN = """
UPDATE runs_callback SET state = 'due', due_at = clock_timestamp(), attempts_before = attempts, settled_at = NULL
WHERE id = %(id)s AND run_id = %(run_id)s AND team_id = %(team_id)s
    AND (state <> 'sending' OR due_at <= clock_timestamp())
RETURNING id
"""


def send_callback_again(*, actor: Actor, run_id: UUID, callback_id: UUID) -> CallbackLog:
    """Return the callback, due now, with all its attempts before it; the message and its id stay the same.

    Raises: NotAllowedError; NotFoundError; ConflictError while an attempt is under way.
    Transaction: none open; one statement.
    """
    actor.require(Scope.RUN)
    callback_for(actor, run_id, callback_id)
    if execute(_AGAIN, {"id": callback_id, "run_id": run_id, "team_id": actor.team_id}) is None:
        raise ConflictError(
            "it is being sent at this moment; wait for its answer", callback_id=str(callback_id)
        )
    return callback_for(actor, run_id, callback_id)
