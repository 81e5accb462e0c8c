"""Keep a run whatever a policy says, and let it go again."""

from datetime import datetime
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs import broadcasts
from runs.engine.retention import HoldKind
from runs.journal.fence import execute
from runs.models import RunHold
from runs.selectors.runs import run_for
from runs.services.checks import misfit

MAX_REASON_CHARACTERS = 1000

# Under the lock of the run's row: who archives or deletes it at this moment is waited for, and then it is gone or held.
_HOLD = """
WITH r AS (SELECT id, team_id FROM runs_run WHERE id = %(run_id)s AND team_id = %(team_id)s FOR UPDATE)
INSERT INTO runs_runhold (run_id, kind, team_id, reason, by, at, until_at)
SELECT r.id, %(kind)s, r.team_id, %(reason)s, %(by)s, clock_timestamp(), %(until_at)s::timestamptz FROM r
ON CONFLICT (run_id, kind) DO UPDATE SET reason = excluded.reason, by = excluded.by, at = excluded.at,
    until_at = excluded.until_at
RETURNING run_id
"""


def hold_run(
    *, actor: Actor, run_id: UUID, kind: str = "pin", reason: str = "", until_at: datetime | None = None
) -> RunHold:
    """Return the pin or legal hold under which the run is neither archived, deleted nor pruned; for good without `until_at`.

    Raises: NotAllowedError; NotFoundError; InvalidInputError for another kind, or a legal hold without a reason.
    Locks: the run row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    why = str(clean_json(reason)).strip()[:MAX_REASON_CHARACTERS]
    if kind not in (HoldKind.PIN, HoldKind.LEGAL):
        raise misfit("/kind", f"must be {HoldKind.PIN.value} or {HoldKind.LEGAL.value}")
    if kind == HoldKind.LEGAL and not why:
        raise misfit("/reason", "must say why: a legal hold without a reason helps nobody")
    run_for(actor, run_id, also_archived=True)
    params = {
        "run_id": run_id, "team_id": actor.team_id, "kind": str(kind), "reason": why, "by": actor.name[:200],
        "until_at": until_at.isoformat() if until_at else None,
    }  # fmt: skip
    with transaction():
        if execute(_HOLD, params) is None:
            raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
        told: JsonObject = {
            "kind": str(kind), "reason": why, "until_at": until_at.isoformat() if until_at else None
        }  # fmt: skip
        record(actor=actor, action="run.hold", subject=f"run:{run_id}", detail=told)
    broadcasts.hint(actor.team_id, run_id)
    return RunHold.objects.get(run_id=run_id, kind=kind)


def release_hold(*, actor: Actor, run_id: UUID, kind: str, reason: str = "") -> None:
    """Let the policies have the run again.

    Raises: NotAllowedError; NotFoundError when it is not held like that. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    run_for(actor, run_id, also_archived=True)
    with transaction():
        found = RunHold.objects.filter(run_id=run_id, team_id=actor.team_id, kind=clean_json(kind))
        if not found.delete()[0]:
            raise NotFoundError(f"run {run_id} is not held by a {kind}", run_id=str(run_id))
        why = str(clean_json(reason)).strip()[:MAX_REASON_CHARACTERS]
        record(
            actor=actor, action="run.release", subject=f"run:{run_id}", detail={"kind": kind, "reason": why}
        )
    broadcasts.hint(actor.team_id, run_id)
