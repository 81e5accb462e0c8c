"""Checking a whole run against its chain while somebody waits for the answer."""

from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import TooLargeError
from runs.checkpoints.verify import Verdict, verify_run
from runs.models import Checkpoint, Outcome
from runs.selectors.runs import run_for, runs_of

MAX_ROWS = 20_000


def verdict_for(actor: Actor, run_id: UUID) -> Verdict:
    """Return what a check of every stored row of the run finds.

    Raises: NotFoundError; TooLargeError for a run of more than MAX_ROWS rows, which is checked by a command instead.
    """
    run_for(actor, run_id)
    n_rows = sum(
        model.objects.filter(run_id=run_id)[: MAX_ROWS + 1].count() for model in (Checkpoint, Outcome)
    )
    if n_rows > MAX_ROWS:
        raise TooLargeError(
            f"this run has more than {MAX_ROWS:,} rows to check; let manage.py verify_chain {run_id} do it",
            limit_rows=MAX_ROWS,
        )
    return verify_run(runs_of(actor).get(id=run_id))
