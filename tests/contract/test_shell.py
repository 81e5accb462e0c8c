"""What every Shell of the engine keeps: the real one, and the one in memory that unit tests use."""

from collections.abc import Callable
from typing import Any

import pytest

from runs.models import Run
from runs.programs import get_program
from runs.services.advance import advance
from tests import ledger
from tests.fakes import InMemoryShell, run_program
from tests.runs import a_run, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db
Shell = Callable[[str, dict[str, Any]], Any]


def in_memory(program: str, state: dict[str, Any]) -> Any:
    return run_program(get_program(program), state, InMemoryShell()).output


def on_postgresql(program: str, state: dict[str, Any]) -> Any:
    """Drive the run, and those that it starts, to its end."""
    run, worker_id = a_run(program, state), a_worker()
    while Run.objects.filter(status="queued").exists() and run.ended_at is None:
        advance(claim(worker_id))
        run.refresh_from_db()
    return output(drive(run, worker_id=worker_id))


@pytest.fixture(params=[in_memory, on_postgresql])
def outcome(request: pytest.FixtureRequest) -> Any:
    ledger.create()
    return request.param


def test_a_run_walks_through_its_nodes_to_its_output(outcome: Shell) -> None:
    assert outcome("test-steps", {"n": 3}) == {"done": 3}


def test_a_tool_gives_its_result_to_the_node(outcome: Shell) -> None:
    call = {"tool": "test.echo", "args": {"value": {"a": [1, None, "é"]}}}

    assert outcome("test-calls", call) == {"result": {"a": [1, None, "é"]}}


def test_a_tool_that_fails_is_tried_again(outcome: Shell) -> None:
    assert outcome("test-calls", {"tool": "test.flaky", "args": {"until": 3}}) == {"result": 3}


def test_a_tool_that_fails_for_good_tells_the_node_why_and_how_often(outcome: Shell) -> None:
    call = {"tool": "test.flaky", "args": {"until": 9}, "catch": True}

    assert outcome("test-calls", call) == {"caught": "flaky", "attempts": 3}


def test_arguments_that_do_not_fit_are_not_tried_again(outcome: Shell) -> None:
    call = {"tool": "test.flaky", "args": {"till": 9}, "catch": True}

    assert outcome("test-calls", call) == {"caught": "invalid_arguments", "attempts": 1}


def test_what_cannot_be_stored_is_replaced(outcome: Shell) -> None:
    assert outcome("test-calls", {"tool": "test.returns", "args": {"what": "nul"}}) == {"result": "a\ufffdb"}


def test_a_write_happens_once_a_node(outcome: Shell) -> None:
    assert outcome("test-effects", {"n": 3, "run": "r"}) == {"n": 3}
    assert ledger.entries() == [("r:0", 1), ("r:1", 1), ("r:2", 1)]


def test_a_node_goes_on_after_its_sleep(outcome: Shell) -> None:
    final = outcome("test-naps", {"run": "r", "seconds": 3600})

    assert final["before"] <= final["again"]
    assert 0 <= final["chance"] < 1
    assert ledger.entries() == [("r:before", 1)]


OK = {"how": "ok", "n": 7}


def test_a_child_gives_what_it_puts_out(outcome: Shell) -> None:
    assert outcome("test-starts", {"how": "run", "agent": "test-stubborn", "input": OK}) == {"n": 7}


def test_children_come_back_in_order(outcome: Shell) -> None:
    inputs = [{**OK, "n": 1}, {"how": "fail"}, {**OK, "n": 3}]
    given = {"how": "map", "agent": "test-stubborn", "inputs": inputs, "more": {"on_failure": "collect"}}
    came = outcome("test-starts", given)
    assert [(entry["index"], entry["status"], entry["output"], entry["error"]) for entry in came] == [
        (0, "succeeded", {"n": 1}, None),
        (1, "failed", None, {"code": "stubborn", "message": "it had to be"}),
        (2, "succeeded", {"n": 3}, None),
    ]


def test_the_end_of_a_child_may_be_waited_for(outcome: Shell) -> None:
    came = outcome("test-starts", {"how": "wait_for", "agent": "test-stubborn", "input": OK})
    assert (came["kind"], came["name"], came["status"], came["output"]) == (
        "child",
        "test-stubborn",
        "succeeded",
        {"n": 7},
    )


def test_outputs_of_children_are_read_by_reference(outcome: Shell) -> None:
    assert outcome("test-reads-outputs", {"inputs": [OK, {**OK, "n": 8}]}) == [{"n": 7}, {"n": 8}]
