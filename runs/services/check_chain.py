"""Check a whole run against its chain, and stop it when it fails."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from runs import broadcasts
from runs.checkpoints.verify import Verdict
from runs.selectors.verdicts import verdict_for
from runs.services.flag_integrity import flag_integrity


def check_chain(*, actor: Actor, run_id: UUID) -> Verdict:
    """Return the verdict; a run that fails is flagged `integrity_failed`, and paused when it is open.

    Raises: NotAllowedError, NotFoundError, TooLargeError.
    Transaction: none open; reads, then at most one statement.
    """
    actor.require(Scope.RUN)
    verdict = verdict_for(actor, run_id)
    if not verdict.is_clean:
        flag_integrity(run_id=run_id, text=verdict.failures[0], last_good_seq=verdict.last_good_seq)
        broadcasts.hint(actor.team_id, run_id)
    return verdict
