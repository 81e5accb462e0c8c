"""Begin a bulk job: one verb for a selection of runs, or for all that a query finds."""

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import InvalidInputError, NotAllowedError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.models import BulkJob
from runs.selectors.bulk import preview_for
from runs.services.bulk_verbs import BULK_VERBS
from runs.services.control import MAX_REASON_CHARACTERS

MAX_SELECTED = 1000


def start_bulk(
    *, actor: Actor, verb: str, query: str = "", run_ids: Sequence[UUID] | None = None, reason: str = ""
) -> BulkJob:
    """Return the job, which clocks work on from now on; of a query, it takes the runs that were there by now.

    Args:
        actor: on whose behalf; needs the scope `run`, also while the job is worked on.
        verb: one of BULK_VERBS.
        query: which runs, when `run_ids` is None.
        run_ids: a selection.
        reason: stands at each run.

    Raises: BadQueryError, InvalidInputError, NotAllowedError.
    Transaction: opens one.
    """
    actor.require(Scope.RUN)
    if actor.user_id is None:
        raise NotAllowedError("a bulk job needs a person on whose behalf it is done")
    if verb not in BULK_VERBS:
        raise _misfit("/verb", f"there are {', '.join(BULK_VERBS)}")
    if run_ids is not None and not 1 <= len(run_ids) <= MAX_SELECTED:
        raise _misfit("/run_ids", f"1 to {MAX_SELECTED:,} runs; for more, send a query")
    preview = preview_for(actor, verb, query=query, run_ids=run_ids)
    job = BulkJob(
        team_id=actor.team_id, user_id=actor.user_id, created_by=actor.name[:200], verb=verb, query=query,
        run_ids=None if run_ids is None else list(dict.fromkeys(run_ids)),
        reason=str(clean_json(reason))[:MAX_REASON_CHARACTERS], zone=timezone.get_current_timezone_name(),
        expected=preview.n_fit + preview.n_unfit if preview.is_all else None,
    )  # fmt: skip
    with transaction():
        job.save(force_insert=True)
        told: JsonObject = {"verb": verb, "query": query, "runs": len(run_ids or ()), "reason": job.reason}
        record(actor=actor, action="bulk.start", subject=f"bulk:{job.pk}", detail=told)
    return job


def _misfit(pointer: str, message: str) -> InvalidInputError:
    return InvalidInputError(
        f"the request does not fit at {pointer}: {message}", errors=[{"pointer": pointer, "message": message}]
    )
