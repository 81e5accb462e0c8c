"""Reading the desk: one request, the inbox, its counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadRequestError, NotFoundError
from agentops.common.transactions import transaction
from approvals.engine.words import STATUSES
from approvals.models import Comment, Decision, QueueMember, Request
from approvals.search import CLOSED, OPEN
from approvals.selectors.request_query import RequestQuery, request_query
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
    """What of the desk is wanted.

    Every folder but `closed` has open requests only, unless `status` names another; in `all`, `text`, a query, may ask for closed
    ones.
    """

    folder: str = "all"
    queue: str = ""
    agent: str = ""
    action: str = ""
    status: str = ""
    run_id: UUID | None = None
    text: str = ""


def inbox_for(
    actor: Actor, filters: Filters, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Request]:
    """Return a page of requests: open ones due first; where closed ones may be among them, those closed last first.

    Raises: BadRequestError for an unknown folder or status; BadQueryError for a query that cannot be read, or a cursor of
        another list.
    """
    query = request_query(actor, filters.text)
    statuses = _statuses(filters, query)
    rows = _within(_rows(actor, filters.folder, statuses), filters)
    if filters.text:
        rows = rows.extra(where=[query.condition.text], params=query.condition.params)  # noqa: S610 -- values are bound
    rows = rows.select_related("queue", "claimed_by").annotate(now_at=Now())
    limit = min(max(limit, 1), MAX_LIMIT)
    if statuses == OPEN:
        return _due_first(rows, cursor, limit)
    with _along_indexes():
        return _newest(rows, cursor, limit)


def counts_for(actor: Actor) -> Counts:
    """Return how many open requests there are in each folder."""
    folders = ("mine", "queues", "all")
    mine, queues, everything = (_rows(actor, folder, OPEN)[:COUNTED].count() for folder in folders)
    return Counts(mine, queues, everything)


def n_to_decide(actor: Actor) -> int:
    """Return how many open requests stand in the person's queues, at most COUNTED; none for who may not review."""
    return _rows(actor, "queues", OPEN)[:COUNTED].count() if actor.can(Scope.REVIEW) else 0


def alike_for(actor: Actor, request: Request, *, limit: int) -> list[Request]:
    """Return open requests of the same sort (`signature`), itself among them, due first."""
    rows = _alike(actor, request).select_related("queue", "claimed_by").annotate(now_at=Now())
    return list(rows.order_by(F("decision_due_at").asc(nulls_last=True), "pk")[:limit])


def n_others_alike(actor: Actor, request: Request) -> int:
    """Return how many other open requests are of the same sort, at most COUNTED."""
    return _alike(actor, request).exclude(pk=request.pk)[:COUNTED].count() if request.signature else 0


def _alike(actor: Actor, request: Request) -> QuerySet[Request]:
    actor.require(Scope.READ)
    return Request.objects.filter(team_id=actor.team_id, signature=request.signature, status="pending")


def decisions_of(request: Request) -> list[Decision]:
    """Return the decisions of a request that was read for the actor, in order."""
    found = Decision.objects.filter(request=request).select_related("user", "on_behalf_of")
    return list(found.order_by("decided_at", "id"))


def comments_of(request: Request) -> list[Comment]:
    return list(Comment.objects.filter(request=request).order_by("created_at", "id")[:200])


def _statuses(filters: Filters, query: RequestQuery) -> frozenset[str]:
    """Return in which statuses the requests may be."""
    if filters.status and filters.status not in STATUSES:
        raise BadRequestError(f"there is no status {filters.status!r}; take one of {', '.join(STATUSES)}")
    if filters.status:
        return frozenset({filters.status})
    if filters.folder == "all" and query.statuses is not None:
        return query.statuses
    return CLOSED if filters.folder == "closed" else OPEN


def _rows(actor: Actor, folder: str, statuses: frozenset[str]) -> QuerySet[Request]:
    actor.require(Scope.READ)
    if folder not in FOLDERS:
        raise BadRequestError(f"there is no folder {folder!r}; take one of {', '.join(FOLDERS)}")
    rows = Request.objects.filter(team_id=actor.team_id)
    if len(statuses) == 1:
        rows = rows.filter(status=min(statuses))
    elif not statuses & OPEN:
        rows = rows.exclude(status="pending")
    return rows if folder == "closed" else rows.filter(_mine(actor, folder))


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


@contextmanager
def _along_indexes() -> Iterator[None]:
    """Read within the team along an index: for a rare term the planner would read the requests of all teams.

    Transaction: opens one, so that the choice is its own.
    """
    with transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('enable_seqscan', 'off', true)")
        yield


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
        if closed_at.isoformat() == _FAR:
            rows = rows.filter(Q(closed_at__isnull=False) | Q(pk__lt=last_id))
        else:
            rows = rows.filter(Q(closed_at__lt=closed_at) | Q(closed_at=closed_at, pk__lt=last_id))
    found = list(rows.order_by("-closed_at", "-pk")[: limit + 1])
    return page_of(found, limit, lambda row: (row.closed_at.isoformat() if row.closed_at else _FAR, row.pk))
