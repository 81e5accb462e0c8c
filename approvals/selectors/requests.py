"""Reading the desk: one request, the inbox, its counts."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadRequestError, NotFoundError
from approvals.engine.words import STATUSES
from approvals.models import Comment, Decision, QueueMember, Request
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of

FOLDERS = ("mine", "queues", "all", "closed")
COUNTED = 1000
_FAR = "9999-12-31T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests are open in each folder, at most COUNTED."""

    mine: int
    queues: int
    all: int


def request_for(actor: Actor, request_id: UUID) -> Request:
    """Return the request, with its people, and `now_at`.

    Raises: NotFoundError, NotAllowedError
    """
    actor.require(Scope.READ)
    rows = Request.objects.filter(team_id=actor.team_id, pk=request_id)
    found = rows.select_related("queue", "initiator", "claimed_by").annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no approval request {request_id}")
    return found


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the desk is wanted. `status` of the folder `closed` may be any but pending."""

    folder: str = "all"
    queue: str = ""
    agent: str = ""
    action: str = ""
    status: str = ""
    run_id: UUID | None = None


def inbox_for(
    actor: Actor, filters: Filters, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Request]:
    """Return a page of requests: the open ones due first, closed ones (folder `closed`, or a `status`) newest first.

    Raises: BadRequestError for an unknown folder or status; BadQueryError for a cursor of another list.
    """
    rows = _within(_rows(actor, filters.folder, filters.status), filters)
    rows = rows.select_related("queue", "claimed_by").annotate(now_at=Now())
    limit = min(max(limit, 1), MAX_LIMIT)
    if filters.folder == "closed" or filters.status not in ("", "pending"):
        return _newest(rows, cursor, limit)
    return _due_first(rows, cursor, limit)


def counts_for(actor: Actor) -> Counts:
    """Return how many open requests there are in each folder."""
    folders = ("mine", "queues", "all")
    mine, queues, everything = (_rows(actor, folder, "")[:COUNTED].count() for folder in folders)
    return Counts(mine, queues, everything)


def n_to_decide(actor: Actor) -> int:
    """Return how many open requests stand in the person's queues, at most COUNTED; none for who may not review."""
    return _rows(actor, "queues", "")[:COUNTED].count() if actor.can(Scope.REVIEW) else 0


def decisions_of(request: Request) -> list[Decision]:
    """Return the decisions of a request that was read for the actor, in order."""
    found = Decision.objects.filter(request=request).select_related("user", "on_behalf_of")
    return list(found.order_by("decided_at", "id"))


def comments_of(request: Request) -> list[Comment]:
    return list(Comment.objects.filter(request=request).order_by("created_at", "id")[:200])


def _rows(actor: Actor, folder: str, status: str) -> QuerySet[Request]:
    actor.require(Scope.READ)
    if folder not in FOLDERS:
        raise BadRequestError(f"there is no folder {folder!r}; take one of {', '.join(FOLDERS)}")
    if status and status not in STATUSES:
        raise BadRequestError(f"there is no status {status!r}; take one of {', '.join(STATUSES)}")
    rows = Request.objects.filter(team_id=actor.team_id)
    if folder == "closed":
        return rows.filter(status=status) if status else rows.exclude(status="pending")
    return rows.filter(_mine(actor, folder), status=status or "pending")


def _mine(actor: Actor, folder: str) -> Q:
    """Return which requests stand in the folder of the actor."""
    if folder == "all":
        return Q()
    named = Q(claimed_by_id=actor.user_id, claimed_until__gt=Now()) | Q(
        assignee_ids__contains=[actor.user_id]
    )
    if folder == "mine":
        return named if actor.user_id is not None else Q(pk__in=[])
    own = QueueMember.objects.filter(user_id__in=[actor.user_id], queue__team_id=actor.team_id).values(
        "queue_id"
    )
    return named | Q(queue_id__isnull=True) | Q(queue_id__in=own)


def _within(rows: QuerySet[Request], filters: Filters) -> QuerySet[Request]:
    given = {
        "queue__slug": filters.queue,
        "agent": filters.agent,
        "action": filters.action,
        "run_id": filters.run_id,
    }
    return rows.filter(**{name: value for name, value in given.items() if value})


def _due_first(rows: QuerySet[Request], cursor: str, limit: int) -> Page[Request]:
    if cursor:
        due_at, last_id = decode_cursor(cursor, instant, UUID)
        without = Q(decision_due_at__isnull=True)
        if due_at.isoformat() == _FAR:
            rows = rows.filter(without, pk__gt=last_id)
        else:
            behind = Q(decision_due_at__gt=due_at) | Q(decision_due_at=due_at, pk__gt=last_id)
            rows = rows.filter(behind | without)
    found = list(rows.order_by(F("decision_due_at").asc(nulls_last=True), "pk")[: limit + 1])
    return page_of(found, limit, lambda row: (row.decision_due_at.isoformat() if row.decision_due_at else _FAR, row.pk))  # fmt: skip


def _newest(rows: QuerySet[Request], cursor: str, limit: int) -> Page[Request]:
    if cursor:
        closed_at, last_id = decode_cursor(cursor, instant, UUID)
        rows = rows.filter(Q(closed_at__lt=closed_at) | Q(closed_at=closed_at, pk__lt=last_id))
    found = list(rows.order_by("-closed_at", "-pk")[: limit + 1])
    return page_of(found, limit, lambda row: (row.closed_at.isoformat() if row.closed_at else _FAR, row.pk))
