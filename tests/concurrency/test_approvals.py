"""Many people and programs at one request at the same moment."""

from collections import Counter
from functools import partial
from itertools import count

import pytest

from agentops.accounts.roles import Role
from agentops.common.errors import AgentOpsError, ConflictError
from agentops.common.transactions import transaction
from approvals.engine.sla import policy_data, policy_of
from approvals.engine.stages import Stage
from approvals.models import Decision, Request, Sla, SlaTimer
from approvals.services import locked
from approvals.services.close_request import close_request
from approvals.services.decide import Choice, decide
from approvals.services.end_request import end_request
from approvals.services.recall_permission import recall_permission
from approvals.services.save_rule import RuleSpec, save_rule
from approvals.services.use_grant import use_grant
from runs.desk import GrantGoneError
from runs.models import Run
from runs.selectors.schedules import database_now
from runs.services.advance import advance
from runs.services.kill_run import kill_run
from runs.services.start_run import start_run
from tests.ledger import create, entries
from tests.personas import World, actor, member
from tests.races import at_once
from tests.runs import a_worker, claim, drive

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 50


@pytest.fixture(autouse=True)
def _ledger() -> None:
    create()


def asked(world: World, *stages: Stage) -> Request:
    ada = actor(world.ada)
    when, rows = {"tools": ["test.ledger"]}, [stage.as_json() for stage in stages]
    if not Request.objects.exists():
        save_rule(actor=ada, spec=RuleSpec("writes", "ask", when, rows))
    start_run(actor=ada, agent="test-calls", input={"tool": "test.ledger", "args": {"entry": "pay"}})
    advance(claim(a_worker()))
    return Request.objects.get(status="pending")


def end_is_due(request: Request) -> None:
    policy = policy_data(policy_of({"name": "P", "end_seconds": 60, "end": "expire"}))
    Sla.objects.create(request=request, team_id=request.team_id, policy=policy, opened_at=request.opened_at)
    SlaTimer.objects.create(request=request, kind="end", n=0, at_seconds=60, due_at=request.opened_at)


def reviewers(n: int) -> list[object]:
    people = [member("analytical", "Analytical", f"r{i}", Role.REVIEWER).user for i in range(n)]
    return [actor(user) for user in people]


def test_fifty_who_approve_edit_reject_expire_close_and_kill_come_to_one_outcome(world: World) -> None:
    people, ada = reviewers(8), actor(world.ada)
    request = asked(world, Stage("k_of_n", 2))
    end_is_due(request)
    now = database_now()
    numbers = count()

    def act() -> str:
        n = next(numbers)
        last = "kill" if n > 40 else "approve"
        verb = ("approve", "edit", "approve", "reject", "close", "expire" if n > 20 else "approve", last)[
            n % 7
        ]
        try:
            if verb == "kill":
                kill_run(actor=ada, run_id=request.run_id, reason="enough")
            elif verb == "expire":
                return verb if end_request(request.pk, now) else "too late"
            elif verb == "close":
                with transaction():
                    Run.objects.select_for_update().get(pk=request.run_id)
                    close_request(run_id=request.run_id, seq=request.seq)
            else:
                seen = Request.objects.get(pk=request.pk)
                more = {"args": {"entry": f"pay {n % 2}"}} if verb == "edit" else {"message": "no"}
                choice = Choice(verb, version=seen.version, args_digest=seen.args_digest, **more)
                decide(actor=people[n % 8], request_id=request.pk, choice=choice)  # type: ignore[arg-type]
        except AgentOpsError as error:
            return error.code
        return verb

    told = Counter(at_once(act, times=THREADS))
    request.refresh_from_db()
    votes = Decision.objects.filter(request=request)
    assert votes.count() == sum(told[verb] for verb in ("approve", "edit", "reject"))
    final = votes.filter(type__in=("approve", "edit"), void_reason="", digest_seen=request.args_digest)
    if request.status == "approved":
        assert final.values("user_id").distinct().count() >= 2
    assert told["reject"] <= 1
    assert told["expire"] <= 1
    assert request.status != "expired" or told["expire"] == 1
    run = Run.objects.get(pk=request.run_id)
    if run.status == "queued":
        drive(run)
    assert len(entries()) == int(request.status == "approved" and run.status == "succeeded")


def test_two_approvals_at_once_make_a_quorum_of_two(world: World) -> None:
    assert [quorum_of_two(world) for _ in range(6)] == ["approved"] * 6


def test_the_control_without_the_row_locks_loses_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each counts only itself where nobody waits for the other."""
    monkeypatch.setattr(locked, "lock", lambda *_: None)
    assert "pending" in [quorum_of_two(world) for _ in range(6)]


def quorum_of_two(world: World) -> str:
    people = iter(reviewers(2))
    request = asked(world, Stage("k_of_n", 2))
    choice = Choice("approve", args_digest=request.args_digest)
    at_once(lambda: decide(actor=next(people), request_id=request.pk, choice=choice), times=2)  # type: ignore[arg-type]
    request.refresh_from_db()
    status = request.status
    kill_run(actor=actor(world.ada), run_id=request.run_id, reason="next")
    Request.objects.filter(pk=request.pk, status="pending").update(
        status="cancelled", closed_at="2026-01-01T00:00:00Z"
    )
    return status


def test_a_permission_is_used_once_by_however_many_want_it(world: World) -> None:
    [eve] = reviewers(1)
    request = asked(world, Stage())
    choice = Choice("approve", version=1, args_digest=request.args_digest)
    decide(actor=eve, request_id=request.pk, choice=choice)  # type: ignore[arg-type]

    def use(n: int) -> bool:
        try:
            with transaction():
                use_grant(request_id=request.pk, seq=n)
        except GrantGoneError:
            return False
        return True

    assert at_once(partial(use, 3), times=20).count(True) == 1


def test_a_permission_is_used_or_taken_back_and_never_both(world: World) -> None:
    [eve] = reviewers(1)
    request = asked(world, Stage())
    choice = Choice("approve", version=1, args_digest=request.args_digest)
    decide(actor=eve, request_id=request.pk, choice=choice)  # type: ignore[arg-type]
    numbers = count()

    def act() -> str:
        try:
            if next(numbers) % 2:
                with transaction():
                    use_grant(request_id=request.pk, seq=3)
                return "used"
            recall_permission(actor=eve, request_id=request.pk, message="stop")  # type: ignore[arg-type]
        except (GrantGoneError, ConflictError):
            return "too late"
        return "taken back"

    done = Counter(at_once(act, times=20))
    request.refresh_from_db()
    assert done["too late"] == 19
    assert (done["used"], request.status) == ((1, "approved") if request.used_at else (0, "voided"))
