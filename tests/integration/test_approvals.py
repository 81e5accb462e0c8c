"""What a run asks people: decided on the desk, by the team's rules, and done once."""

import json
from dataclasses import replace

import pytest

from agentops.accounts.models import Membership
from agentops.accounts.roles import Actor, Role
from agentops.audit.models import Entry
from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError
from agentops.common.ids import new_id
from approvals.engine.stages import Stage
from approvals.models import Decision, Request
from approvals.selectors.turns import turn_of
from approvals.services.claim_request import claim_request
from approvals.services.decide import Choice, decide
from approvals.services.decide_many import Picked, decide_many
from approvals.services.delegate_request import delegate_request
from approvals.services.recall_permission import recall_permission
from approvals.services.reconcile import reconcile
from approvals.services.save_queue import QueueSpec, save_queue
from approvals.services.save_rule import RuleSpec, apply_preset, save_rule, set_mode
from runs.models import Run, Step
from runs.selectors.schedules import database_now
from runs.services.advance import advance
from runs.services.kill_run import kill_run
from runs.services.start_run import start_run
from tests.ledger import create, entries
from tests.personas import World, actor, member
from tests.rehearsal import provider, rehearsal_model
from tests.runs import a_run, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db(transaction=True)
LEDGER = {"tool": "test.ledger", "args": {"entry": "pay 5"}}


@pytest.fixture(autouse=True)
def _ledger() -> None:
    create()


@pytest.fixture
def ada(world: World) -> Actor:
    return actor(world.ada)


@pytest.fixture
def eve(world: World) -> Actor:
    return actor(member("analytical", "Analytical", "eve", Role.REVIEWER).user)


@pytest.fixture
def fay(world: World) -> Actor:
    return actor(member("analytical", "Analytical", "fay", Role.REVIEWER).user)


def started(who: Actor, agent: str, **state: object) -> Run:
    run, _ = start_run(actor=who, agent=agent, input=state)
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def asks_before(who: Actor, tool: str, *stages: Stage, verdict: str = "ask") -> None:
    rows = [stage.as_json() for stage in stages] if verdict == "ask" else []
    save_rule(actor=who, spec=RuleSpec(f"{verdict} {tool}", verdict, {"tools": [tool]}, rows))


def request_of(run: Run) -> Request:
    return Request.objects.get(run=run, status="pending")


def choice(request: Request, kind: str, **more: object) -> Choice:
    return Choice(kind, version=request.version, args_digest=request.args_digest, **more)  # type: ignore[arg-type]


def done(run: Run) -> Run:
    return drive(run)


class TestWhatAnAgentAsks:
    def test_it_stands_on_the_desk_with_the_question_and_is_answered_there(self, ada: Actor) -> None:
        run = started(ada, "test-asks", args={"amount": 5}, timeout_seconds=60)
        request = request_of(run)
        assert (request.kind, request.action, request.summary) == ("approve", "pay", "pay: amount 5")
        assert (request.reason, request.args, request.initiator_id) == (
            "Pay the bill",
            {"amount": 5},
            ada.user_id,
        )
        decide(actor=ada, request_id=request.pk, choice=choice(request, "edit", args={"amount": 4}))
        assert output(done(run)) == {"args": {"amount": 4}}
        request.refresh_from_db()
        assert (request.status, request.closed_by) == ("approved", "ada")
        told = Entry.objects.filter(subject_id=str(request.pk)).values_list("action", flat=True)
        assert {"approval.open", "approval.decide"} <= set(told)

    def test_an_edit_keeps_the_types(self, ada: Actor) -> None:
        request = request_of(started(ada, "test-asks", args={"n": 5}))
        with pytest.raises(InvalidInputError) as refused:
            decide(actor=ada, request_id=request.pk, choice=choice(request, "edit", args={"n": "5"}))
        assert refused.value.data["errors"][0]["pointer"] == "/n"
        assert not Decision.objects.exists()

    def test_what_ends_elsewhere_leaves_the_desk(self, ada: Actor) -> None:
        run = started(ada, "test-asks", question="Who?")
        request = request_of(run)
        kill_run(actor=ada, run_id=run.pk, reason="enough")
        reconcile()
        request.refresh_from_db()
        assert request.status == "cancelled"
        with pytest.raises(ConflictError, match="cancelled"):
            decide(actor=ada, request_id=request.pk, choice=choice(request, "respond", answer="me"))

    def test_what_was_never_told_is_found(self, ada: Actor) -> None:
        run = started(ada, "test-asks", question="Who?")
        Request.objects.all().delete()
        assert reconcile() == 1
        request = request_of(run)
        decide(actor=ada, request_id=request.pk, choice=choice(request, "respond", answer="me"))
        assert output(done(run)) == {"answer": "me"}


class TestActionsOfOneTurn:
    """Decided one by one, done together."""

    CALLS = [{"tool": "test.ledger", "args": {"entry": f"pay {n}"}} for n in (1, 2, 3)]

    @pytest.fixture
    def run(self, ada: Actor) -> Run:
        asks_before(ada, "test.ledger", Stage())
        return started(ada, "test-gathers", calls=self.CALLS, errors=True)

    @pytest.fixture
    def asked(self, run: Run) -> list[Request]:
        return list(Request.objects.filter(run=run, status="pending").order_by("pk"))

    def test_all_are_asked_at_once_and_the_run_goes_on_when_the_last_is_decided(
        self, run: Run, asked: list[Request], eve: Actor
    ) -> None:
        assert [one.args for one in asked] == [call["args"] for call in self.CALLS]
        assert [[one.pk for one in turn_of(run.pk, it.seq)] for it in asked] == [[it.pk for it in asked]] * 3
        first, second, third = asked
        decide(actor=eve, request_id=second.pk, choice=choice(second, "approve"))
        decide(actor=eve, request_id=first.pk, choice=choice(first, "reject", message="no"))
        run.refresh_from_db()
        assert (run.status, run.waiting_on["seq"], entries()) == ("awaiting_approval", third.seq, [])
        Request.objects.filter(pk=second.pk).update(grant_expires_at=database_now())  # the third takes days
        decide(actor=eve, request_id=third.pk, choice=choice(third, "edit", args={"entry": "pay 4"}))
        told = output(done(run))
        assert entries() == [("pay 2", 1), ("pay 4", 1)]
        assert "a person refused it (eve: no)" in told[0]
        assert Request.objects.filter(run=run).count() == 3, "nothing was asked again"

    def test_what_of_them_was_never_told_is_found(self, run: Run, asked: list[Request]) -> None:
        Request.objects.filter(pk__in=[asked[0].pk, asked[2].pk]).delete()
        assert reconcile() == 2
        assert Request.objects.filter(run=run, status="pending").count() == 3
        assert reconcile() == 0

    def test_while_one_is_asked_again_none_is_done(self, run: Run, asked: list[Request], eve: Actor) -> None:
        for one in asked:
            decide(actor=eve, request_id=one.pk, choice=choice(one, "approve"))
        Request.objects.filter(pk=asked[1].pk).update(evidence={"tool": "another"})
        advance(claim(a_worker()))
        run.refresh_from_db()
        again = request_of(run)
        assert (run.status, again.seq, entries()) == ("awaiting_approval", asked[1].seq, [])
        decide(actor=eve, request_id=again.pk, choice=choice(again, "approve"))
        done(run)
        assert entries() == [("pay 1", 1), ("pay 2", 1), ("pay 3", 1)]

    def test_calls_of_one_answer_of_a_model_are_done_when_all_are_decided(
        self, ada: Actor, world: World
    ) -> None:
        """Also those that the agent's own definition wants to have approved; these are asked about one after the other."""
        calls = [{"tool": "test_ledger", "args": {"entry": f"pay {n}"}} for n in (1, 2)]
        task = f"Play this.\n```rehearsal\n{json.dumps([{'calls': calls}, {'finish': 'done'}])}\n```"
        worker = a_worker()
        with rehearsal_model() as model:
            provider(world.analytical.pk, model)
            run = a_run("test-talker", {"task": task}, team=world.analytical)
            for n in (1, 2):
                while run.status != "awaiting_approval":
                    advance(claim(worker))
                    run.refresh_from_db()
                request = request_of(run)
                assert (request.args, entries()) == ({"entry": f"pay {n}"}, [])
                assert len(turn_of(run.pk, request.seq)) == n
                decide(actor=ada, request_id=request.pk, choice=choice(request, "approve"))
                run.refresh_from_db()
            assert output(done(run)) == {"output": "done"}
        assert entries() == [("pay 1", 1), ("pay 2", 1)]

    def test_they_leave_the_desk_with_their_run(self, ada: Actor, run: Run, asked: list[Request]) -> None:
        kill_run(actor=ada, run_id=run.pk, reason="enough")
        reconcile()
        assert set(Request.objects.filter(run=run).values_list("status", flat=True)) == {"cancelled"}


class TestTheGate:
    def test_without_rules_nothing_asks(self, ada: Actor) -> None:
        assert done(started(ada, "test-calls", **LEDGER)).status == "succeeded"

    def test_a_rule_asks_before_the_call_and_the_permission_is_used_once(
        self, ada: Actor, eve: Actor
    ) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        assert (run.status, entries()) == ("awaiting_approval", [])
        request = request_of(run)
        assert request.kind == "permission"
        assert request.args_schema is not None
        with pytest.raises(NotAllowedError, match="you started this run"):
            decide(actor=ada, request_id=request.pk, choice=choice(request, "approve"))
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        assert done(run).status == "succeeded"
        request.refresh_from_db()
        assert request.used_at is not None
        assert len(entries()) == 1

    def test_an_edit_is_what_is_called_and_must_fit_the_tool(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)
        for args, pointer in (({"entry": 5}, "/entry"), ({"other": "x", "entry": "y"}, "")):
            with pytest.raises(InvalidInputError) as refused:
                decide(actor=eve, request_id=request.pk, choice=choice(request, "edit", args=args))
            assert refused.value.data["errors"][0]["pointer"] == pointer
        swapped = choice(request, "edit", args={"entry": "y"}, action="test.once")
        with pytest.raises(InvalidInputError, match="stays it"):
            decide(actor=eve, request_id=request.pk, choice=swapped)
        decide(actor=eve, request_id=request.pk, choice=choice(request, "edit", args={"entry": "pay 4"}))
        done(run)
        assert [entry for entry, _ in entries()] == ["pay 4"]

    def test_a_rejection_fails_the_call_and_a_deny_never_makes_it(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)
        decide(actor=eve, request_id=request.pk, choice=choice(request, "reject", message="too dear"))
        done(run)
        assert Step.objects.get(run=run, name="test.ledger").error_code == "refused"
        asks_before(ada, "test.*", verdict="deny")
        again = done(started(ada, "test-calls", **LEDGER))
        assert Step.objects.get(run=again, name="test.ledger").error_code == "denied"
        assert entries() == []

    def test_rules_tighten_what_was_decided(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        asks_before(ada, "test.*", verdict="deny")
        done(run)
        request.refresh_from_db()
        assert (request.status, entries()) == ("voided", [])

    def test_modes(self, ada: Actor) -> None:
        set_mode(actor=ada, mode="gate")
        run = started(ada, "test-calls", **LEDGER)
        assert run.status == "awaiting_approval"
        assert request_of(run).rule["why"].startswith("no rule names")
        set_mode(actor=ada, mode="monitor", agent="test-calls")
        asks_before(ada, "test.*", verdict="deny")
        assert done(started(ada, "test-calls", **LEDGER)).status == "succeeded"

    def test_a_permission_that_ran_out_is_asked_for_again(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        first = request_of(run)
        decide(actor=eve, request_id=first.pk, choice=choice(first, "approve"))
        Request.objects.update(grant_expires_at="2026-01-01T00:00:00Z")
        advance(claim(a_worker()))
        again = request_of(run)
        assert (again.supersedes_id, entries()) == (first.pk, [])
        decide(actor=eve, request_id=again.pk, choice=choice(again, "approve"))
        done(run)
        assert len(entries()) == 1

    def test_the_same_call_with_other_arguments_needs_an_approval_of_its_own(
        self, ada: Actor, eve: Actor
    ) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", asks={"entry": "pay 4"}, **LEDGER)
        first = request_of(run)
        decide(actor=eve, request_id=first.pk, choice=choice(first, "approve"))
        advance(claim(a_worker()))
        second = request_of(run)
        assert (second.kind, second.args, entries()) == ("permission", {"entry": "pay 5"}, [])
        decide(actor=eve, request_id=second.pk, choice=choice(second, "approve"))
        done(run)
        assert len(entries()) == 1

    def test_who_may_approve_no_more_has_not_approved(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        Membership.objects.filter(user_id=eve.user_id or 0).update(role=Role.VIEWER)
        advance(claim(a_worker()))
        assert request_of(run).pk != request.pk
        assert entries() == []


class TestRecalling:
    def test_what_was_allowed_is_asked_about_again_and_done_only_then(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        first = request_of(run)
        decide(actor=eve, request_id=first.pk, choice=choice(first, "approve"))
        void = recall_permission(actor=ada, request_id=first.pk, message="the wrong account")
        assert (void.status, void.closed_by, void.message) == ("voided", "ada", "the wrong account")
        advance(claim(a_worker()))
        again = request_of(run)
        assert (again.supersedes_id, entries()) == (first.pk, [])
        assert "ada took the permission back: the wrong account" in (again.question or {})["text"]
        decide(actor=eve, request_id=again.pk, choice=choice(again, "approve"))
        done(run)
        assert len(entries()) == 1
        assert Entry.objects.get(action="approval.recall").detail["message"] == "the wrong account"

    def test_it_holds_up_what_no_rule_asks_about(self, ada: Actor) -> None:
        run = started(ada, "test-calls", asks=LEDGER["args"], **LEDGER)
        asked = request_of(run)
        decide(actor=ada, request_id=asked.pk, choice=choice(asked, "approve"))
        recall_permission(actor=ada, request_id=asked.pk, message="not today")
        advance(claim(a_worker()))
        again = request_of(run)
        assert (again.kind, again.action, entries()) == ("permission", "test.ledger", [])
        decide(actor=ada, request_id=again.pk, choice=choice(again, "reject", message="no"))
        done(run)
        assert entries() == []

    def test_who_comes_too_late_is_told_who_did_what(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)

        def refused(who: Actor, match: str, **more: object) -> dict[str, object]:
            with pytest.raises(ConflictError, match=match) as told:
                recall_permission(actor=who, request_id=request.pk, message="stop", **more)  # type: ignore[arg-type]
            return told.value.data

        refused(eve, "nothing is allowed yet")
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        refused(eve, "it has changed since you looked", version=1)
        done(run)
        told = refused(ada, "too late: test-calls used this permission at .* in step")
        assert [(one["by"], one["type"]) for one in told["decisions"]] == [("eve", "approve")]  # type: ignore[attr-defined]
        Request.objects.update(used_at=None, status="rejected", closed_by="eve")
        refused(ada, "eve was faster: this is rejected")

    def test_it_needs_a_reason_and_somebody_who_may_review(self, ada: Actor, eve: Actor) -> None:
        request = request_of(started(ada, "test-asks", args={"amount": 5}))
        with pytest.raises(InvalidInputError, match="1 to"):
            recall_permission(actor=eve, request_id=request.pk, message=" ")
        viewer = actor(member("analytical", "Analytical", "vic", Role.VIEWER).user)
        with pytest.raises(NotAllowedError):
            recall_permission(actor=viewer, request_id=request.pk, message="stop")


class TestQuorums:
    def test_an_edit_voids_what_others_approved(self, ada: Actor, eve: Actor, fay: Actor) -> None:
        asks_before(ada, "test.ledger", Stage("k_of_n", 2))
        run = started(ada, "test-calls", **LEDGER)
        request = request_of(run)
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        request = request_of(run)
        with pytest.raises(NotAllowedError, match="approved it already"):
            decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        decide(actor=fay, request_id=request.pk, choice=choice(request, "edit", args={"entry": "less"}))
        request = request_of(run)
        assert Decision.objects.filter(request=request, void_reason="").count() == 1
        decide(actor=eve, request_id=request.pk, choice=choice(request, "approve"))
        done(run)
        assert [entry for entry, _ in entries()] == ["less"]

    def test_stale_digests_and_versions_are_told_who_decided_what(
        self, ada: Actor, eve: Actor, fay: Actor
    ) -> None:
        asks_before(ada, "test.ledger", Stage("k_of_n", 2))
        run = started(ada, "test-calls", **LEDGER)
        seen = request_of(run)
        decide(actor=eve, request_id=seen.pk, choice=choice(seen, "edit", args={"entry": "less"}))
        with pytest.raises(ConflictError) as told:
            decide(actor=fay, request_id=seen.pk, choice=choice(seen, "approve"))
        assert told.value.data["decisions"][0]["by"] == "eve"

    def test_a_quorum_that_nobody_can_meet_is_refused(self, ada: Actor, eve: Actor) -> None:
        with pytest.raises(InvalidInputError, match="can never be met"):
            asks_before(ada, "test.ledger", Stage("k_of_n", 5))

    def test_programs_do_not_decide_where_people_must(self, ada: Actor, eve: Actor) -> None:
        asks_before(ada, "test.ledger", Stage())
        request = request_of(started(ada, "test-calls", **LEDGER))
        token = replace(eve, token_id=new_id())
        with pytest.raises(NotAllowedError, match="API tokens cannot"):
            decide(actor=token, request_id=request.pk, choice=choice(request, "approve"))

    def test_a_queue_has_its_own_people_and_a_delegate_stands_in(
        self, ada: Actor, eve: Actor, fay: Actor
    ) -> None:
        save_queue(actor=ada, spec=QueueSpec("Money", members=["eve"], actions=["pay"]))
        request = request_of(started(ada, "test-asks", args={"amount": 5}))
        assert request.queue is not None
        with pytest.raises(NotAllowedError, match="only people of the queue 'money'"):
            decide(actor=fay, request_id=request.pk, choice=choice(request, "approve"))
        delegate_request(actor=eve, request_id=request.pk, to="fay")
        request.refresh_from_db()
        decide(actor=fay, request_id=request.pk, choice=choice(request, "approve"))
        assert Decision.objects.get().on_behalf_of_id == eve.user_id

    def test_a_claim_keeps_others_off_until_it_is_taken_over(self, ada: Actor, eve: Actor) -> None:
        request = request_of(started(ada, "test-asks", args={"amount": 5}))
        claim_request(actor=eve, request_id=request.pk)
        with pytest.raises(ConflictError, match="take it over first"):
            decide(actor=ada, request_id=request.pk, choice=choice(request, "approve"))
        claim_request(actor=ada, request_id=request.pk, takes_over=True)
        decide(actor=ada, request_id=request.pk, choice=choice(request, "approve"))


def test_several_of_one_sort_are_decided_together_and_others_are_not(ada: Actor) -> None:
    runs = [started(ada, "test-asks", args={"amount": n}) for n in range(3)]
    found = [request_of(run) for run in runs]
    picked = [Picked(one.pk, one.version, one.args_digest) for one in found]
    other = request_of(started(ada, "test-asks", args={"other": 1}))
    with pytest.raises(InvalidInputError, match="of one sort"):
        decide_many(actor=ada, picked=[*picked, Picked(other.pk, 1, other.args_digest)], verdict="approve")
    done_ = decide_many(actor=ada, picked=picked, verdict="approve")
    assert [(one.status, problem) for one, problem in done_] == [("approved", "")] * 3


def test_a_preset_in_a_team_of_one_can_be_met(ada: Actor) -> None:
    rules = apply_preset(actor=ada, slug="sql")
    assert [rule.stages[0]["excludes_initiator"] for rule in rules] == [False, False]
    assert apply_preset(actor=ada, slug="sql") == []
