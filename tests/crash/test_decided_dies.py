"""Whoever decides, and whoever does what was decided, is killed at any statement: it is decided and done once."""

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Role
from agentops.common.errors import NotAllowedError
from agentops.common.transactions import transaction
from approvals.models import Decision, Request
from approvals.services import decide as decide_service
from approvals.services import locked
from approvals.services.decide import Choice, decide
from approvals.services.save_rule import RuleSpec, save_rule
from runs.checkpoints.verify import verify_run
from runs.models import Run, Worker
from runs.services.advance import advance
from runs.services.start_run import start_run
from runs.services.sweep import requeue_orphans
from tests import ledger
from tests.crash.dying import killed
from tests.crash.form import form
from tests.personas import World, actor, member
from tests.runs import a_worker, claim, drive

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

EVERY = form(short=4, long=1)


@pytest.fixture
def ada(world: World) -> Actor:
    save_rule(actor=actor(world.ada), spec=RuleSpec("writes", "ask", {"tools": ["test.ledger"]}, [{}]))
    return actor(world.ada)


@pytest.fixture
def eve(world: World) -> Actor:
    return actor(member("analytical", "Analytical", "eve", Role.REVIEWER).user)


def asked(ada: Actor) -> Request:
    """Return the request of a new run that wants to pay."""
    ledger.create()
    run, _ = start_run(
        actor=ada, agent="test-calls", input={"tool": "test.ledger", "args": {"entry": "pay 5"}}
    )
    advance(claim(a_worker()))
    return Request.objects.get(run=run, status="pending")


def approve(eve: Actor, request: Request) -> None:
    decide(actor=eve, request_id=request.pk, choice=Choice("approve", args_digest=request.args_digest))


def approve_and_do(eve: Actor, request: Request, worker: Worker) -> None:
    approve(eve, request)
    drive(request.run, worker_id=worker.pk)


def gone_on(eve: Actor, request: Request, worker: Worker) -> Run:
    """Return the run after others found what the dead left, and the reviewer decided who did not see it counted."""
    Worker.objects.filter(pk=worker.pk).update(dead_at=Now())
    requeue_orphans()
    request.refresh_from_db()
    if request.status == "pending":
        approve(eve, request)
    return drive(request.run)


def test_killed_between_decision_and_execution_it_is_done_once(ada: Actor, eve: Actor) -> None:
    seen = set()
    for at in itertools.count(0, EVERY):
        request, worker = asked(ada), Worker.objects.get(pk=a_worker())
        was_killed = killed(partial(approve_and_do, eve, request, worker), at)
        request.refresh_from_db()
        seen.add((request.status, request.used_at is not None, len(ledger.entries())))
        run = gone_on(eve, request, worker)
        assert (run.status, ledger.entries()) == ("succeeded", [("pay 5", 1)]), f"killed at statement {at}"
        assert Decision.objects.filter(request=request).count() == 1
        assert Request.objects.filter(run=run).count() == 1, f"killed at statement {at}, it asked again"
        assert verify_run(run).is_clean
        if not was_killed:
            break
    assert seen >= {("pending", False, 0), ("approved", False, 0), ("approved", True, 1)}


def in_its_own_transaction(act: Callable[..., Any]) -> Callable[..., Any]:
    def alone(*args: Any, **given: Any) -> Any:
        with transaction():
            return act(*args, **given)

    return alone


def test_control_a_decision_in_several_transactions_is_half_made_and_cannot_be_made_again(
    ada: Actor, eve: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked, "transaction", nullcontext)
    monkeypatch.setattr(locked, "lock", lambda *_: None)
    for name in ("record", "tell_run"):
        monkeypatch.setattr(decide_service, name, in_its_own_transaction(getattr(decide_service, name)))
    with pytest.raises(NotAllowedError, match="you have approved it already"):
        killed_anywhere_and_approved_again(ada, eve)


def killed_anywhere_and_approved_again(ada: Actor, eve: Actor) -> None:
    for at in itertools.count():
        request = asked(ada)
        if not killed(partial(approve, eve, request), at):
            break
        approve(eve, request)
        drive(request.run)
