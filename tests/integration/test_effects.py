"""Writes whose outcome nobody knows are never repeated blindly; calls side by side are all recorded."""

from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, IllegalMoveError, InvalidInputError
from runs.journal.fence import execute
from runs.models import Intent, Run, Step
from runs.services.advance import advance
from runs.services.resolve_step import resolve_step
from runs.services.sweep import wake_due
from tests import ledger
from tests.runs import a_run, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def actor_of(run: Run) -> Actor:
    return Actor(run.team_id, None, "Ada", frozenset(Scope))


def an_unknown_run(fail: str = "timeout") -> Run:
    run = a_run("test-calls", {"tool": "test.once", "args": {"entry": "pay", "fail": fail}, "catch": True})
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def resolve(run: Run, outcome: Any, **more: Any) -> Run:
    return resolve_step(
        actor=actor_of(run), run_id=run.pk, seq=2, outcome=outcome, reason="looked", version=run.epoch, **more
    )


@pytest.mark.parametrize("fail", ["timeout", "crash"])
def test_a_write_that_may_have_happened_waits_for_a_person(fail: str) -> None:
    run = an_unknown_run(fail)
    assert run.status == "awaiting_approval"
    assert run.waiting_on == {"kind": "unknown", "seq": 2, "text": "did test.once happen?"}
    assert Step.objects.get(run=run, seq=2).status == "unknown"
    assert ledger.entries() == [("pay", 1)]


def test_a_write_that_certainly_did_not_happen_is_an_ordinary_failure() -> None:
    run = a_run("test-calls", {"tool": "test.once", "args": {"entry": "pay", "fail": "known"}, "catch": True})
    run = drive(run)
    assert output(run) == {"caught": "refused", "attempts": 4}
    assert ledger.entries() == []


def test_the_answer_that_it_ran_becomes_its_outcome() -> None:
    run = drive(resolve(an_unknown_run(), "ran", output={"id": 7}))
    assert output(run) == {"result": {"id": 7}}
    assert ledger.n_asked() == 1


def test_the_answer_that_it_did_not_run_is_an_error_that_the_agent_sees() -> None:
    run = drive(resolve(an_unknown_run(), "did_not_run"))
    assert output(run) == {"caught": "did_not_run", "attempts": 1}
    assert ledger.n_asked() == 1


def test_the_answer_to_run_it_again_calls_it_once_more() -> None:
    run = an_unknown_run()
    resolve(run, "run_again")
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "awaiting_approval"
    assert ledger.n_asked() == 2


def test_answers_that_are_stale_or_wrong_change_nothing() -> None:
    run = an_unknown_run()
    with pytest.raises(InvalidInputError, match="required"):
        resolve(run, "ran", output={})
    with pytest.raises(ConflictError):
        resolve_step(
            actor=actor_of(run),
            run_id=run.pk,
            seq=2,
            outcome="ran",
            reason="",
            version=run.epoch + 1,
            output={"id": 1},
        )
    with pytest.raises(IllegalMoveError):
        resolve_step(actor=actor_of(run), run_id=run.pk, seq=1, outcome="ran", reason="", version=run.epoch)
    resolve(run, "did_not_run")
    with pytest.raises(IllegalMoveError):
        resolve(run, "ran", output={"id": 1})


def test_a_write_in_flight_when_its_worker_died_is_unknown_once_nobody_can_be_at_it() -> None:
    run = a_run("test-calls", {"tool": "test.once", "args": {"entry": "pay"}})
    dead = a_worker()
    killed_after_the_call(run, dead)
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "sleeping"
    assert ledger.n_asked() == 1
    execute(
        "UPDATE runs_worker SET dead_at = now(), dead_reason = 'its process ended' WHERE id = %(id)s",
        {"id": dead},
    )
    make_due(run)
    wake_due()
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "awaiting_approval"
    assert ledger.n_asked() == 1


def killed_after_the_call(run: Run, worker_id: Any) -> None:
    """Leave what a worker leaves that is killed between the call of a write and the commit of its outcome."""
    advance(claim(worker_id))
    execute("DELETE FROM runs_checkpoint WHERE run_id = %(id)s", {"id": run.pk})
    execute("DELETE FROM runs_step WHERE run_id = %(id)s AND kind = 'node'", {"id": run.pk})
    execute("UPDATE runs_step SET status = 'running', attempts = 0 WHERE run_id = %(id)s", {"id": run.pk})
    execute("UPDATE runs_outcome SET body = NULL, mac = '' WHERE run_id = %(id)s", {"id": run.pk})
    execute("UPDATE runs_intent SET settled_at = NULL WHERE run_id = %(id)s", {"id": run.pk})
    Run.objects.filter(pk=run.pk).update(
        status="queued", worker_id=None, output=None, ended_at=None, head_seq=0, head_hash=run.head_hash
    )


def test_an_idempotent_write_in_flight_is_called_again_under_its_key() -> None:
    run = a_run("test-calls", {"tool": "test.ledger", "args": {"entry": "pay"}})
    killed_after_the_call(run, a_worker())
    run = drive(run)
    assert output(run) == {"result": {"applied": False}}
    assert (ledger.n_asked(), ledger.entries()) == (2, [("pay", 1)])


def test_a_late_outcome_is_kept_as_evidence() -> None:
    run = a_run("test-calls", {"tool": "test.steals", "args": {"entry": "pay"}})
    advance(claim(a_worker()))
    intent = Intent.objects.get(run=run)
    assert intent.settled_at is None
    assert intent.evidence == {"status": "succeeded", "output": {"applied": True}, "error": None}


def test_an_answer_stands_beside_the_late_outcome() -> None:
    run, late = an_unknown_run(), {"status": "succeeded", "output": {"id": 7}, "error": None}
    Intent.objects.filter(run=run).update(evidence=late)
    resolve(run, "did_not_run")
    assert Intent.objects.get(run=run).evidence == late | {"answered_by": "Ada: looked"}


def calls(*named: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"tool": name, "args": args} for name, args in named]


def test_calls_side_by_side_keep_their_order_and_are_each_recorded() -> None:
    run = a_run(
        "test-gathers",
        {"calls": calls(*[("test.slow", {"seconds": 0.2 - i / 50, "value": i}) for i in range(8)])},
    )
    run = drive(run)
    assert output(run) == list(range(8))
    assert list(
        Step.objects.filter(run=run, kind="tool").order_by("seq").values_list("ordinal", flat=True)
    ) == list(range(8))


def test_one_failed_call_lets_the_others_end() -> None:
    named = calls(("test.flaky", {"until": 9}), ("test.echo", {"value": 1}), ("test.ledger", {"entry": "a"}))
    run = drive(a_run("test-gathers", {"calls": named, "errors": True}))
    assert output(run)[1:] == [1, {"applied": True}]
    assert "test.flaky failed after 3 attempts" in output(run)[0]
    run = drive(a_run("test-gathers", {"calls": named}))
    assert run.status == "failed"
    assert Step.objects.filter(run=run, kind="tool").count() == 3


def test_the_node_suspends_once_on_all_that_is_open_and_repeats_nothing() -> None:
    named = calls(
        ("test.slow_retry", {"seconds": 600}),
        ("test.slow_retry", {"seconds": 300}),
        ("test.ledger", {"entry": "a"}),
    )
    run, worker_id = a_run("test-gathers", {"calls": named}), a_worker()
    advance(claim(worker_id))
    run.refresh_from_db()
    assert (run.status, ledger.n_asked()) == ("sleeping", 1)
    assert Step.objects.filter(run=run, kind="tool", status="running").count() == 2
    run = drive(run, worker_id=worker_id)
    assert output(run) == [2, 2, {"applied": True}]
    assert ledger.n_asked() == 1


def test_a_state_that_does_not_fit_its_schema_is_a_failed_attempt() -> None:
    assert output(drive(a_run("test-typed", {"good": 2}))) == {"attempt": 2}
    run = drive(a_run("test-typed", {"good": 9}))
    assert run.error["code"] == "state_schema"
    assert "at /count" in run.error["message"]
