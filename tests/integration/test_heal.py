"""A run heals itself: what failed is tried in other ways, one rung after the other, each recorded, none twice."""

from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.verify import verify_run
from runs.journal.fence import execute
from runs.models import AgentVersion, Branch, CachedRead, Outcome, Run, Step, Wait
from runs.services import recover
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.begin_branch import begin_branch
from runs.services.cancel_run import cancel_run
from runs.services.retry_run import retry_run
from runs.services.rewind_run import rewind_run
from runs.services.versions import policy_of
from tests import ledger
from tests.forking import actor_of, fork, marks, seq_of
from tests.healing import asked
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def climbs(*calls: Any, **more: Any) -> Run:
    return drive(a_run("test-climbs", {"calls": list(calls), **more}))


def broken(code: str, n: int, tool: str = "test.until", entry: str = "it") -> Any:
    return [tool, {"entry": entry, "n": n, "code": code}]


def rungs(run: Run) -> list[str]:
    """Return what was tried, without the reasons."""
    rows = Branch.objects.filter(run=run, cause="heal").order_by("number")
    return [row.reason.partition(", because")[0] for row in rows]


def ada(run: Run) -> Actor:
    return Actor(run.team_id, None, "Ada", frozenset(Scope))


def test_a_node_that_fails_is_tried_again_after_a_while_on_a_branch_of_its_own() -> None:
    run = a_run("test-climbs", {"calls": [broken("flaky", 2)]})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert (run.status, run.node, run.branch, run.health) == ("sleeping", "work", 2, ["retrying"])
    assert run.waiting_on["kind"] == "heal"
    assert run.waiting_on["text"].startswith(
        "rung 1 of 1: try again after 30 s (1 of 3), because test.until failed"
    )

    run = drive(run)
    assert (run.status, output(run)) == ("succeeded", ["it"])
    assert rungs(run) == [
        f"rung 1 of 1: try again after {seconds} s ({n} of 3)" for n, seconds in ((1, 30), (2, 60))
    ]
    left = Step.objects.filter(run=run, kind="node", name="work").order_by("seq")
    assert [(step.branch, step.status) for step in left] == [(1, "failed"), (2, "failed"), (3, "succeeded")]
    assert verify_run(run).is_clean


def test_when_no_rung_is_left_the_run_fails_and_says_what_was_tried() -> None:
    run = climbs(broken("flaky", 99))
    assert (run.status, run.error["code"]) == ("failed", "flaky")
    assert [told.partition(",")[0] for told in run.error["tried"]] == [
        f"rung 1 of 1: try again after {seconds} s ({n} of 3)" for n, seconds in ((1, 30), (2, 60), (3, 120))
    ]
    assert Branch.objects.filter(run=run).count() == 3


def test_without_a_rule_for_the_error_the_run_fails_as_ever() -> None:
    run = climbs(broken("unheard_of", 9))
    assert (run.status, run.branch, "tried" in (run.error or {})) == ("failed", 1, False)


class TestRungs:
    def test_a_call_that_took_too_long_is_given_more_time(self) -> None:
        run = climbs(["test.patient", {"seconds": 50}])
        assert output(run) == [60]
        assert rungs(run) == [
            "rung 1 of 3: longer time-out, 10 s → 20 s", "rung 2 of 3: longer time-out, 20 s → 60 s",
        ]  # fmt: skip

    def test_the_last_rung_may_be_to_give_up(self) -> None:
        run = climbs(["test.patient", {"seconds": 100}])
        assert (run.status, run.error["code"], len(run.error["tried"])) == ("failed", "timeout", 2)

    def test_what_is_in_force_for_a_node_ends_with_it(self) -> None:
        run = climbs(["test.patient", {"seconds": 15}])
        assert rungs(run) == ["rung 1 of 3: longer time-out, 10 s → 20 s"]
        other = fork(run, seq_of(run, "work", 1))
        assert Branch.objects.get(run=other).changes != Branch.objects.get(run=run).changes

    def test_another_tool_answers_in_the_name_of_the_first(self) -> None:
        run = climbs(broken("gone", 99))
        assert output(run) == ["copy of it"]
        assert rungs(run) == ["rung 3 of 3: another tool, test.until → test.copy"]
        assert Branch.objects.get(run=run).changes["heal"]["passed"] == [
            "another tool: test.nowhere is not installed", "another tool: test.mail writes",
        ]  # fmt: skip
        assert ("test.until", "swapped") in marks(run)

    def test_a_write_is_never_handed_to_another_tool(self) -> None:
        run = climbs(broken("gone", 99, "test.writes_until"))
        assert (run.status, rungs(run)) == ("failed", [])

    def test_the_answer_of_another_time_serves_where_none_is_to_be_had(self) -> None:
        call = ["test.news", {"of": "today"}]
        assert output(climbs(call)) == [0]
        ledger.allow_success()
        run = climbs(call)
        assert output(run) == [0]
        assert rungs(run)[0].startswith("rung 1 of 2: the answer of")
        assert ("test.news", "cached") in marks(run)

    def test_an_answer_that_was_changed_in_the_store_is_none(self) -> None:
        call = ["test.news", {"of": "today"}]
        climbs(call)
        ledger.allow_success()
        kept = CachedRead.objects.get(team_id=a_team().pk)
        Outcome.objects.filter(run_id=kept.run_id, seq=kept.seq).update(body=b"7")
        run = climbs(call)
        assert output(run) == ["no news"]
        assert Branch.objects.get(run=run).changes["heal"]["passed"] == ["a kept answer: no answer was kept"]

    def test_answers_are_kept_for_those_tools_alone_that_a_policy_wants_them_of(self) -> None:
        climbs(["test.news", {"of": "today"}], broken("flaky", 0))
        assert CachedRead.objects.count() == 1

    def test_what_cannot_be_had_is_skipped_and_logged(self) -> None:
        run = climbs(broken("lost", 99), broken("flaky", 0, entry="other"))
        assert output(run) == [{"lost": True}, "other"]
        assert ("test.until", "skipped") in marks(run)
        lines = execute(
            "SELECT string_agg(message, ' ') FROM runs_logline WHERE run_id = %(id)s", {"id": run.pk}
        )
        assert lines is not None
        assert "test.until was skipped, as the recovery policy says" in lines[0]

    def test_of_calls_side_by_side_all_that_failed_are_skipped(self) -> None:
        calls = [broken("lost", 99, entry=entry) for entry in "abc"] + [broken("lost", 0, entry="d")]
        run = climbs(*calls, beside=True)
        assert output(run) == [*[{"lost": True}] * 3, "d"]
        assert len(rungs(run)) == 1

    def test_each_call_that_fails_climbs_a_ladder_of_its_own(self) -> None:
        run = climbs(*(broken("lost", 99, entry=entry) for entry in "ab"), broken("flaky", 2, entry="c"))
        assert output(run) == [{"lost": True}, {"lost": True}, "c"]
        assert [told.partition(":")[0] for told in rungs(run)] == ["rung 1 of 2"] * 2 + ["rung 1 of 1"] * 2

    def test_a_write_is_not_skipped_but_its_node_may_be(self) -> None:
        run = climbs(broken("lost", 99, "test.writes_until"))
        assert output(run) == "skipped"
        assert rungs(run) == ["rung 2 of 2: skip work, go on with end"]
        assert ledger.entries() == [("written it", 1)]

    def test_a_tool_is_taken_away(self) -> None:
        run = climbs(broken("unwanted", 99))
        assert (output(run), rungs(run)[0]) == ("skipped", "rung 1 of 2: without test.until")
        assert asked("it") == 1, "it was not called again"


class TestAskAPerson:
    def asking(self) -> Run:
        run = a_run("test-climbs", {"calls": [broken("doubtful", 1)]})
        worker_id = a_worker()
        for _ in range(2):
            advance(claim(worker_id))
        run.refresh_from_db()
        assert run.status == "awaiting_approval", run.error
        return run

    def answer(self, run: Run, answer: str) -> Run:
        wait = Wait.objects.get(run=run, closed_at=None)
        assert wait.details is not None
        assert wait.details["choices"] == ["Try again", "Give up"]
        assert "work failed: test.until failed" in wait.details["summary"]
        answer_wait(actor=ada(run), run_id=run.pk, seq=wait.seq, reply="respond", answer=answer)
        return drive(run)

    def test_who_says_try_again(self) -> None:
        run = self.answer(self.asking(), "Try again")
        assert (run.status, output(run)) == ("succeeded", ["it"])

    def test_who_gives_up_and_retries_after_all(self) -> None:
        run = self.answer(self.asking(), "Give up")
        assert (run.status, run.error["code"]) == ("failed", "given_up")
        assert "a person said no" in run.error["message"]
        retry_run(actor=ada(run), run_id=run.pk)
        assert output(drive(run)) == ["it"]


class TestInvalidValues:
    def test_a_state_that_does_not_fit_climbs_like_any_error(self) -> None:
        run = drive(a_run("test-strict", {"good": 2}))
        assert (run.status, output(run)) == ("succeeded", 1)
        assert rungs(run) == [f"rung 1 of 2: try again ({n} of 2)" for n in (1, 2)]

    def test_and_may_be_left_out(self) -> None:
        run = drive(a_run("test-strict", {"good": 99}))
        assert (run.status, rungs(run)[-1]) == ("succeeded", "rung 2 of 2: skip count, go on with end")

    def test_an_output_that_does_not_fit_is_an_error_too(self) -> None:
        run = drive(a_run("test-strict", {"good": 0, "out": "many"}))
        assert (run.status, run.error["code"]) == ("failed", "output_schema")

    def test_what_a_tool_returns_is_checked(self) -> None:
        run = climbs(["test.shaped", {"entry": "shape", "n": 2}])
        assert output(run) == [{"id": 1}]
        assert len(rungs(run)) == 2


class TestWhatIsFinal:
    def test_what_an_agent_says_of_itself(self) -> None:
        run = drive(a_run("test-strict", {"says": True}))
        assert (run.status, run.error["code"], rungs(run)) == ("failed", "agent_says", [])

    def test_what_a_person_said(self) -> None:
        run = a_run("test-strict", {"asks": True})
        advance(claim(a_worker()))
        wait = Wait.objects.get(run=run)
        answer_wait(actor=ada(run), run_id=run.pk, seq=wait.seq, reply="reject")
        run = drive(run)
        assert (run.status, run.error["code"], rungs(run)) == ("failed", "rejected", [])


class TestFurtherBack:
    def test_the_run_goes_on_from_an_earlier_node_and_the_branch_it_left_stays(self) -> None:
        run = climbs(broken("stale", 1))
        assert output(run) == ["it"]
        assert rungs(run) == ["rung 1 of 2: try again, from start"]
        steps = (
            Step.objects.filter(run=run, kind="node").order_by("seq").values_list("branch", "name", "status")
        )
        assert list(steps) == [
            (1, "start", "succeeded"), (1, "work", "failed"), (2, "start", "succeeded"), (2, "work", "succeeded"),
            (2, "end", "succeeded"),
        ]  # fmt: skip

    def test_it_does_not_go_round_for_ever(self) -> None:
        run = climbs(broken("stale", 99))
        assert (run.status, len(rungs(run))) == ("failed", 1)

    def test_one_mail_is_sent_however_often_it_goes_back_behind_it(self) -> None:
        run = drive(a_run("test-mails-and-climbs", {"fails": 3}))
        assert (run.status, output(run)["seen"]) == ("succeeded", "check")
        assert len(rungs(run)) == 3
        assert ("mail ada", 1) in ledger.entries()
        assert [mark for name, mark in marks(run) if name == "test.mail"] == [
            "",
            "inherited",
            "inherited",
            "inherited",
        ]
        assert verify_run(run).is_clean


class TestFencesAndCrashes:
    def test_a_worker_that_lost_its_lease_takes_no_rung(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run = a_run("test-climbs", {"calls": [broken("flaky", 1)]})
        steal = "UPDATE runs_run SET epoch = epoch + 1, status = 'queued', worker_id = NULL WHERE id = %(id)s"
        real = recover.next_rung

        def stolen(*args: Any) -> Any:
            execute(steal, {"id": run.pk})
            return real(*args)

        monkeypatch.setattr("runs.services.advance.next_rung", stolen)
        advance(claim(a_worker()))
        assert not Branch.objects.filter(run=run).exists()
        assert not Step.objects.filter(run=run, name="work").exists()

    def test_a_crash_in_the_midst_of_a_rung_leaves_nothing_half_and_it_is_taken_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = a_run("test-climbs", {"calls": [broken("flaky", 1)]})
        real = begin_branch

        def cut(*args: Any, **more: Any) -> Any:
            real(*args, **more)
            raise SystemExit("the process ends before the commit")

        monkeypatch.setattr("runs.services.recover.begin_branch", cut)
        claimed = claim(a_worker())
        with pytest.raises(SystemExit):
            advance(claimed)
        run.refresh_from_db()
        assert (run.branch, Branch.objects.filter(run=run).count(), run.status) == (1, 0, "running")

        monkeypatch.undo()
        back = "UPDATE runs_run SET epoch = epoch + 1, status = 'queued', worker_id = NULL WHERE id = %(id)s"
        execute(back, {"id": run.pk})
        run = drive(run)
        assert (run.status, rungs(run)) == ("succeeded", ["rung 1 of 1: try again after 30 s (1 of 3)"])

    def test_a_person_who_asked_to_stop_is_heeded_before_the_next_rung(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = a_run("test-climbs", {"calls": [broken("flaky", 9)]})
        real = recover.next_rung

        def asks(*args: Any) -> Any:
            cancel_run(actor=ada(run), run_id=run.pk, reason="enough")
            return real(*args)

        monkeypatch.setattr("runs.services.advance.next_rung", asks)
        worker_id = a_worker()
        advance(claim(worker_id))
        run.refresh_from_db()
        assert run.status == "queued", "it does not sleep with the request unheard"
        advance(claim(worker_id))
        run.refresh_from_db()
        assert run.status == "cancelled"


class TestBesidePeople:
    def test_who_sends_the_run_back_lets_the_ladder_begin_anew(self) -> None:
        run = climbs(broken("flaky", 99))
        rewind_run(actor=actor_of(run), run_id=run.pk, seq=seq_of(run, "start"))
        run = drive(run)
        assert (run.status, len(rungs(run))) == ("failed", 6)

    def test_who_retries_goes_on_from_the_last_rung(self) -> None:
        run = climbs(["test.patient", {"seconds": 100}])
        retry_run(actor=ada(run), run_id=run.pk)
        run = drive(run)
        assert (run.status, len(rungs(run))) == ("failed", 2)

    def test_a_fork_heals_by_itself(self) -> None:
        run = climbs(broken("flaky", 4))
        assert run.status == "failed"
        other = drive(fork(run, seq_of(run, "start"), "dry"))
        assert (other.status, len(rungs(other)), other.effect_mode) == ("succeeded", 0, "dry")

    def test_a_deadline_that_has_passed_is_not_forgotten(self) -> None:
        run = a_run("test-climbs", {"calls": [broken("flaky", 1)]})
        execute("UPDATE runs_run SET deadline_at = now() - interval '1 s' WHERE id = %(id)s", {"id": run.pk})
        advance(claim(a_worker()))
        run.refresh_from_db()
        assert run.deadline_at is not None


def test_the_policy_is_data_of_the_version() -> None:
    run = a_run("test-climbs", {"calls": [broken("flaky", 1)]})
    version = AgentVersion.objects.get(pk=run.agent_version_id)
    assert version.recovery["rules"][2]["on"] == ["flaky"]
    AgentVersion.objects.filter(pk=version.pk).update(recovery={"rules": [{"on": ["flaky"], "rungs": []}]})
    policy_of.cache_clear()
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "paused"
    assert "/rules/0/rungs: must be a list of 1 to 20 rungs" in run.waiting_on["text"]
    policy_of.cache_clear()
