"""What a run does on the real shell: nodes, actions, waits, retries and failures, committed to PostgreSQL."""

import pytest
from django.test import override_settings

from runs.models import Attempt, Checkpoint, Intent, LogLine, Step
from runs.services.advance import advance
from tests import ledger
from tests.agents import Fickle
from tests.runs import a_run, a_worker, claim, drive, make_due, output, state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def test_a_run_walks_through_its_nodes_and_leaves_a_checkpoint_each() -> None:
    run = drive(a_run("test-steps", {"n": 5}))
    assert (run.status, output(run), run.n_steps) == ("succeeded", {"done": 5}, 5)
    assert list(Checkpoint.objects.filter(run=run).values_list("seq", flat=True)) == [1, 2, 3, 4, 5]
    assert state(run) == {"n": 5, "done": 5}
    assert state(run, 2) == {"n": 5, "done": 2}


def test_actions_stand_under_their_node_in_start_order() -> None:
    run = drive(a_run("test-effects", {"n": 2, "run": "r"}))
    rows = list(
        Step.objects.filter(run=run)
        .order_by("seq")
        .values_list("seq", "parent_seq", "kind", "name", "status")
    )
    assert rows == [
        (1, 0, "node", "step", "succeeded"),
        (2, 1, "tool", "test.echo", "succeeded"),
        (3, 1, "tool", "test.ledger", "succeeded"),
        (4, 0, "node", "step", "succeeded"),
        (5, 4, "tool", "test.echo", "succeeded"),
        (6, 4, "tool", "test.ledger", "succeeded"),
    ]
    assert (run.progress_done, run.progress_total, run.n_steps) == (2, 2, 6)
    assert ledger.entries() == [("r:0", 1), ("r:1", 1)]
    assert Intent.objects.filter(run=run, settled_at__isnull=True).count() == 0


def test_a_sleep_makes_the_run_a_row_and_goes_on_after_it() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    worker_id = a_worker()
    advance(claim(worker_id))
    run.refresh_from_db()
    assert (run.status, run.worker_id) == ("sleeping", None)
    assert run.waiting_on == {"kind": "timer", "seq": 3, "text": "sleeping as the agent asked"}
    run = drive(run, worker_id=worker_id)
    assert run.status == "succeeded"
    assert ledger.entries() == [("r:before", 1)]
    assert ledger.n_asked() == 1
    assert [line.message for line in LogLine.objects.filter(run=run)] == ["going to sleep"]


def test_a_wait_that_is_not_over_is_waited_for_again() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    worker_id = a_worker()
    advance(claim(worker_id))
    type(run).objects.filter(pk=run.pk).update(status="queued")
    advance(claim(worker_id))
    run.refresh_from_db()
    assert run.status == "sleeping"
    assert Step.objects.filter(run=run, kind="wait").count() == 1


def test_time_and_chance_are_the_same_when_a_node_runs_again() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 5})
    worker_id = a_worker()
    advance(claim(worker_id))
    riders = Step.objects.filter(run=run, name="test.ledger").get()
    make_due(run)
    run = drive(run, worker_id=worker_id)
    final = output(run)
    assert riders.ordinal == 0
    assert final["before"] < final["again"]
    assert 0 <= final["chance"] < 1


def test_a_tool_that_fails_is_tried_again_and_each_attempt_is_kept() -> None:
    run = drive(a_run("test-calls", {"tool": "test.flaky", "args": {"until": 3}}))
    assert output(run) == {"result": 3}
    step = Step.objects.get(run=run, kind="tool")
    assert (step.status, step.attempts) == ("succeeded", 3)
    assert list(Attempt.objects.filter(run=run).order_by("number").values_list("number", "error_code")) == [
        (1, "flaky"),
        (2, "flaky"),
    ]
    assert run.n_retries == 2


def test_an_action_that_failed_for_good_may_be_caught() -> None:
    run = drive(a_run("test-calls", {"tool": "test.flaky", "args": {"until": 9}, "catch": True}))
    assert output(run) == {"caught": "flaky", "attempts": 3}
    assert Step.objects.get(run=run, kind="tool").status == "failed"


def test_an_action_that_failed_for_good_fails_the_run_with_its_reason() -> None:
    run = drive(a_run("test-calls", {"tool": "test.flaky", "args": {"until": 9}}))
    assert run.status == "failed"
    assert run.error["code"] == "flaky"
    assert "test.flaky failed after 3 attempts" in run.error["message"]
    assert (run.error["node"], run.error["seq"]) == ("call", 1)


def test_a_long_wait_before_the_next_attempt_frees_the_worker() -> None:
    run = a_run("test-calls", {"tool": "test.slow_retry", "args": {"seconds": 600}})
    worker_id = a_worker()
    advance(claim(worker_id))
    run.refresh_from_db()
    assert (run.status, run.health) == ("sleeping", ["retrying"])
    assert run.waiting_on["kind"] == "retry"
    run = drive(run, worker_id=worker_id)
    assert output(run) == {"result": 2}
    assert run.health == []
    assert Step.objects.get(run=run, kind="tool").attempts == 2


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("raises", "RuntimeError", "attempt 3"),
        ("fails", "gave_up", "the agent gave up"),
        ("bad_pointer", "update_invalid", "'/nowhere' does not exist in the state"),
        ("bad_node", "command_invalid", "goes to 'elsewhere'"),
        ("not_a_command", "command_invalid", "returned str"),
        ("mutates", "TypeError", "state is read-only"),
        ("exits", "3", "3"),
    ],
)
def test_a_node_that_misbehaves_fails_the_run_with_a_sentence(how: str, code: str, words: str) -> None:
    run = drive(a_run("test-misbehaves", {"how": how}))
    assert run.status == "failed"
    assert run.error["code"] == code
    assert words in run.error["message"]
    assert Step.objects.get(run=run).status == "failed"


def test_a_node_that_recovers_keeps_its_failed_attempts() -> None:
    run = drive(a_run("test-misbehaves", {"how": "recovers"}))
    assert output(run) == {"attempt": 3}
    assert Attempt.objects.filter(run=run).count() == 2
    assert Step.objects.get(run=run).attempts == 3


def test_a_bare_except_cannot_swallow_a_suspension() -> None:
    run = a_run("test-misbehaves", {"how": "swallows"})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "sleeping"
    assert ledger.entries() == []


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("set", "not_json", "type set is not JSON"),
        ("nan", "not_json", "not finite"),
        ("deep", "not_json", "nested deeper"),
        ("large", "too_large", "the limit is"),
    ],
)
def test_a_result_that_cannot_be_stored_is_an_error_that_says_so(what: str, code: str, words: str) -> None:
    run = drive(a_run("test-calls", {"tool": "test.returns", "args": {"what": what}}))
    assert run.status == "failed"
    assert run.error["code"] == code
    assert words in run.error["message"]


@pytest.mark.parametrize("what", ["nul", "surrogate"])
def test_characters_that_cannot_be_stored_are_replaced_and_logged(what: str) -> None:
    run = drive(a_run("test-calls", {"tool": "test.returns", "args": {"what": what}}))
    assert output(run) == {"result": "a\ufffdb"}
    assert "replaced 1 characters" in LogLine.objects.get(run=run).message


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"tool": "no.such"}, "there is no tool 'no.such'"),
        ({"tool": "test.flaky", "args": {"till": 3}}, "until"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(call: dict[str, object], words: str) -> None:
    run = drive(a_run("test-calls", call))
    assert run.status in ("failed", "paused")
    assert words in str(run.error or run.waiting_on)


def test_a_node_that_asks_for_something_else_when_it_runs_again_is_found_out() -> None:
    Fickle.times = 0
    run = drive(a_run("test-fickle", {}))
    assert run.status == "failed"
    assert run.error["code"] == "nondeterminism"
    assert "value='1'" in run.error["message"]
    assert "value='2'" in run.error["message"]


def test_a_run_whose_lease_moved_on_writes_nothing_more() -> None:
    run = a_run("test-effects", {"n": 1, "run": "r"})
    stale = claim(a_worker())
    type(run).objects.filter(pk=run.pk).update(status="queued")
    fresh = claim(a_worker())
    advance(stale)
    assert Step.objects.filter(run=run).count() == 0
    assert ledger.entries() == []
    advance(fresh)
    run.refresh_from_db()
    assert run.status == "succeeded"


def test_lines_logged_before_and_during_a_write_are_all_kept() -> None:
    run = drive(a_run("test-logs-write", {}))
    assert run.status == "succeeded"
    messages = list(LogLine.objects.filter(run=run).order_by("at").values_list("message", flat=True))
    assert messages == ["before", "test.nul_write: replaced 1 characters that cannot be stored", "after"]


def test_an_error_of_the_runtime_itself_does_not_hold_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run("test-steps", {"n": 1})
    monkeypatch.setattr("runs.services.advance.program_of", lambda _: 1 / 0)
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert (run.status, run.waiting_on["kind"]) == ("sleeping", "retry")


def test_a_cancel_is_seen_at_the_next_commit() -> None:
    run = a_run("test-effects", {"n": 3, "run": "r"})
    claimed = claim(a_worker())
    type(run).objects.filter(pk=run.pk).update(control="cancel")
    advance(claimed)
    run.refresh_from_db()
    assert (run.status, run.control) == ("cancelled", "")
    assert run.ended_at is not None


def test_a_long_run_leaves_segments_and_rebuilds_any_step_from_few_rows() -> None:
    run = drive(a_run("test-steps", {"n": 170}))
    assert list(Checkpoint.objects.filter(run=run, kind="g").values_list("seq", "parent_seq")) == [
        (50, 0),
        (100, 50),
        (150, 100),
    ]
    for seq in (1, 49, 50, 51, 100, 149, 170):
        assert state(run, seq) == {"n": 170, "done": seq}


def test_segments_go_on_after_the_run_was_elsewhere() -> None:
    run, worker_id = a_run("test-steps", {"n": 120}), a_worker()
    with override_settings(AGENTOPS={"slice_steps": 7, "state_cache_runs": 0}):
        run = drive(run, worker_id=worker_id)
    assert list(Checkpoint.objects.filter(run=run, kind="g").values_list("seq", flat=True)) == [50, 100]
    assert state(run) == {"n": 120, "done": 120}
