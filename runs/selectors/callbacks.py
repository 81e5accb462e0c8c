"""Reading callbacks: what was told of a run's ends, to whom, and what they answered."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.models import Callback, CallbackAttempt, CallbackSecret
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.selectors.runs import run_for

MAX_ATTEMPTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class CallbackLog:
    """A callback and its newest attempts, newest first."""

    callback: Callback
    attempts: list[CallbackAttempt]


def callbacks_for(
    actor: Actor, run_id: UUID, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[CallbackLog]:
    """Return a page of the callbacks of a run, the newest end first.

    Raises: NotFoundError; BadQueryError for a cursor that is not of this list.
    """
    run_for(actor, run_id, also_archived=True)
    limit = max(1, min(limit, MAX_LIMIT))
    found = Callback.objects.filter(team_id=actor.team_id, run_id=run_id).defer("body")
    if cursor:
        ended_at, callback_id = decode_cursor(cursor, instant, UUID)
        found = found.filter(Q(ended_at__lt=ended_at) | Q(ended_at=ended_at, id__lt=callback_id))
    rows = list(found.order_by("-ended_at", "-id")[: limit + 1])
    page = page_of(rows, limit, lambda row: (row.ended_at.isoformat(), row.id))
    return Page(_with_attempts(page.items), page.next_cursor)


def callback_for(actor: Actor, run_id: UUID, callback_id: UUID) -> CallbackLog:
    """Return one callback of a run.

    Raises: NotFoundError
    """
    run_for(actor, run_id, also_archived=True)
    found = (
        Callback.objects.filter(team_id=actor.team_id, run_id=run_id, id=callback_id).defer("body").first()
    )
    if found is None:
        raise NotFoundError(f"run {run_id} has no callback {callback_id}", run_id=str(run_id))
    return _with_attempts([found])[0]


def n_callbacks_for(actor: Actor, run_id: UUID) -> int:
    """Return how many ends of the run have a callback."""
    actor.require(Scope.READ)
    return Callback.objects.filter(team_id=actor.team_id, run_id=run_id).count()


def callback_secrets_for(actor: Actor) -> list[CallbackSecret]:
    """Return what is known of the team's signing secrets that were made, newest first, without the secrets."""
    actor.require(Scope.READ)
    found = CallbackSecret.objects.filter(team_id=actor.team_id).defer("salt")
    return list(found.order_by("-created_at", "-id")[:5])


def _with_attempts(callbacks: list[Callback]) -> list[CallbackLog]:
    attempts: dict[UUID, list[CallbackAttempt]] = defaultdict(list)
    for attempt in CallbackAttempt.objects.filter(callback_id__in=[one.id for one in callbacks]).order_by(
        "-number"
    ):
        if len(attempts[attempt.callback_id]) < MAX_ATTEMPTS_SHOWN:
            attempts[attempt.callback_id].append(attempt)
    return [CallbackLog(one, attempts[one.id]) for one in callbacks]
