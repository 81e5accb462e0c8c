"""Retry many failed runs, each for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, InvalidInputError, NotFoundError
from runs.services.retry_run import retry_run

MAX_RUNS = 500


@dataclass(frozen=True, slots=True)
class Retried:
    """What came of one run; `problem` says why it was not retried, empty when it was."""

    run_id: UUID
    problem: str


def retry_many(*, actor: Actor, run_ids: Sequence[UUID], reason: str = "") -> list[Retried]:
    """Retry each of the runs; returns what came of each, in their order. One that cannot be retried stops no other.

    Raises: NotAllowedError; InvalidInputError for more than MAX_RUNS, before any is retried.
    Locks: one run row at a time. Transaction: one for each run.
    """
    actor.require(Scope.RUN)
    if len(run_ids) > MAX_RUNS:
        raise InvalidInputError(
            f"{len(run_ids)} runs are too many at once; retry at most {MAX_RUNS}, then the rest",
            limit=MAX_RUNS,
        )
    return [Retried(run_id, _problem(actor, run_id, reason)) for run_id in dict.fromkeys(run_ids)]


def _problem(actor: Actor, run_id: UUID, reason: str) -> str:
    try:
        retry_run(actor=actor, run_id=run_id, reason=reason)
    except (ConflictError, NotFoundError) as error:
        return error.detail
    return ""
