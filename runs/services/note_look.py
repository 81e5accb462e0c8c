"""Note that somebody looks at a run, or still wants it: then it is not forgotten."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.journal.fence import execute
from runs.models import Run
from runs.selectors.runs import run_for

# Looking is noted at most once an hour, so that a page that stays open writes next to nothing.
_LOOKED = """
INSERT INTO runs_runlook AS l (run_id, team_id, looked_at) VALUES (%(run_id)s, %(team_id)s, clock_timestamp())
ON CONFLICT (run_id) DO UPDATE SET looked_at = clock_timestamp()
WHERE l.looked_at < clock_timestamp() - make_interval(secs => %(seconds)s)
RETURNING run_id
"""
SECONDS = 3600.0


def note_look(*, actor: Actor, run: Run) -> None:
    """Note that the actor looks at the run, while it is open."""
    if run.ended_at is None:
        execute(_LOOKED, {"run_id": run.pk, "team_id": actor.team_id, "seconds": SECONDS})


def still_wanted(*, actor: Actor, run_id: UUID) -> Run:
    """Return the run, which counts as looked at from now on: for as many days as its agent's rules say.

    Raises: NotFoundError, NotAllowedError. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    with transaction():
        execute(_LOOKED, {"run_id": run_id, "team_id": actor.team_id, "seconds": 0.0})
        record(actor=actor, action="run.wanted", subject=f"run:{run_id}")
    return run
