"""End a request that nobody has decided in time, as its policy says; never by a yes."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.models import Membership
from agentops.accounts.roles import Actor, Role, Scope
from agentops.audit.services.record import record_of_product
from agentops.common.errors import ConflictError, NotFoundError
from agentops.common.transactions import transaction
from agentops.notify.services.notify import Message, notify
from agentops.notify.topics import Topic
from approvals.engine.sla import End, Kind
from approvals.models import Request, Sla, SlaTimer
from runs.models import Run
from runs.services.cancel_run import cancel_run
from runs.services.close_question import close_question
from runs.services.settle_step import settle_step

CLOCK = "the clock"
TOLD = "nobody decided in time"


def end_request(request_id: UUID, now: datetime) -> int:
    """Do what the policy says for a request whose end is due at `now`; returns 1 when it did, 0 when there was nothing to do.

    A request whose run cannot be told no, because it was asked whether something happened, is put before the admins.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    run_id = Request.objects.values_list("run_id", flat=True).get(pk=request_id)
    with transaction():
        run = (
            Run.objects.select_for_update(no_key=True, skip_locked=True).only("pk").filter(pk=run_id).first()
        )
        if run is None and Run.objects.filter(pk=run_id).exists():
            return 0
        request = Request.objects.select_for_update(no_key=True).get(pk=request_id)
        outcome = "stale" if request.status != "pending" else "fired"
        timers = SlaTimer.objects.filter(
            request_id=request_id, kind=Kind.END, fired_at__isnull=True, due_at__lte=now
        )
        if not timers.update(fired_at=Now(), outcome=outcome) or outcome == "stale":
            return 0
        _end(request, End(Sla.objects.values_list("policy__end", flat=True).get(request_id=request_id)))
    return 1


def _end(request: Request, end: End) -> None:
    if end is End.CANCEL_RUN:
        _cancel(request)
    elif end is End.EXPIRE and request.kind != "unknown":
        _expire(request)
    else:
        _page_admins(request)
    told = {"end": end.value, "run": str(request.run_id), "step": request.seq}
    record_of_product(
        team_id=request.team_id,
        by=CLOCK,
        action="approval.end",
        subject=f"approval:{request.pk}",
        detail={**told},
    )


def _cancel(request: Request) -> None:
    actor = Actor(request.team_id, None, CLOCK, frozenset({Scope.READ, Scope.RUN}))
    with (
        suppress(ConflictError, NotFoundError),
        transaction(),
    ):  # a run that has ended takes its requests along by itself
        cancel_run(actor=actor, run_id=request.run_id, reason=f"{TOLD}: {request.summary}")


def _expire(request: Request) -> None:
    """Close the request as expired and tell the run no. Where the run asks nobody any more, the sweep closes the request."""
    with suppress(ConflictError, NotFoundError), transaction():
        Request.objects.filter(pk=request.pk).update(
            status="expired", closed_at=Now(), closed_by=CLOCK, message=TOLD, version=F("version") + 1,
            claimed_by=None, claimed_until=None,
        )  # fmt: skip
        if request.kind == "permission":
            settle_step(run_id=request.run_id, seq=request.seq, by=CLOCK, outcome="refuse", reason=TOLD)
        else:
            close_question(run_id=request.run_id, seq=request.seq, by=CLOCK, reply="reject", message=TOLD)


def _page_admins(request: Request) -> None:
    admins = Membership.objects.filter(team_id=request.team_id, role=Role.ADMIN).values_list(
        "user_id", flat=True
    )
    message = Message(
        Topic.SLA, f"sla:{request.pk}:end:0", f"Nobody decides · {request.agent}: {request.action}", request.summary,
        f"/approvals/{request.pk}", is_urgent=True,
    )  # fmt: skip
    notify(team_id=request.team_id, message=message, user_ids=set(admins))
