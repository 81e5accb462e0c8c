"""What people do to runs: pause, resume, cancel, kill, retry; and what their deadline does."""

from collections.abc import Callable
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import IllegalMoveError, NotAllowedError, NotFoundError
from agentops.common.ids import new_id
from runs.journal.fence import execute
from runs.models import Attempt, Run, Step
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.pause_run import pause_run
from runs.services.resume_run import resume_run
from runs.services.retry_run import retry_run
from runs.services.sweep import expire_overdue, wake_due
from tests import ledger
from tests.runs import a_run, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db

Verb = Callable[..., Run]


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def do(verb: Verb, run: Run, *, scopes: frozenset[Scope] = frozenset(Scope), **more: Any) -> Run:
    actor = Actor(run.team_id, None, "Ada", scopes)
    return verb(actor=actor, run_id=run.pk, reason="because", **more)


def a_sleeping_run() -> Run:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def test_a_paused_sleeper_keeps_its_sleep_and_goes_on_when_resumed() -> None:
    run = do(pause_run, a_sleeping_run())
    assert (run.status, run.paused_from, run.end_reason) == ("paused", "sleeping", "because")
    make_due(run)
    execute("UPDATE runs_run SET wake_at = now() - interval '1 s' WHERE id = %(id)s", {"id": run.pk})
    assert wake_due() == 0
    run = do(resume_run, run)
    assert run.status == "sleeping"
    assert wake_due() == 1
    assert drive(run).status == "succeeded"


@pytest.mark.parametrize("program", ["test-steps", "test-effects"])
def test_a_running_run_pauses_at_its_next_commit(program: str) -> None:
    run = a_run(program, {"n": 5, "run": "r"})
    claimed = claim(a_worker())
    assert do(pause_run, run).control == "pause"
    advance(claimed)
    run.refresh_from_db()
    assert (run.status, run.control, run.worker_id) == ("paused", "", None)
    run = drive(do(resume_run, run))
    assert run.status == "succeeded"
    assert all(count == 1 for _, count in ledger.entries())


def test_a_cancelled_sleeper_ends_at_once_and_its_wait_with_it() -> None:
    run = do(cancel_run, a_sleeping_run())
    assert (run.status, run.ended_by, run.end_reason) == ("cancelled", "Ada", "because")
    assert Step.objects.get(run=run, kind="wait").status == "cancelled"


def test_cancelling_twice_is_the_same_as_once() -> None:
    run = do(cancel_run, a_sleeping_run())
    assert do(cancel_run, run).ended_at == run.ended_at


def test_a_killed_run_ends_now_and_its_worker_writes_nothing_more() -> None:
    run = a_run("test-effects", {"n": 3, "run": "r"})
    claimed = claim(a_worker())
    assert do(kill_run, run).status == "cancelled"
    advance(claimed)
    assert not Step.objects.filter(run=run).exists()
    assert ledger.entries() == []


def test_a_write_in_flight_when_its_run_is_killed_is_unknown() -> None:
    run = a_run("test-calls", {"tool": "test.kills", "args": {"entry": "pay"}})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert Step.objects.get(run=run, kind="tool").status == "unknown"


def test_a_retried_run_does_only_what_failed_again() -> None:
    run = drive(a_run("test-second-try", {"run": "r"}))
    assert (run.status, run.error["code"]) == ("failed", "flaky")
    n_attempts = Attempt.objects.filter(run=run).count()
    run = drive(do(retry_run, run))
    assert run.status == "failed"
    assert Attempt.objects.filter(run=run).count() == 2 * n_attempts
    ledger.allow_success()
    run = drive(do(retry_run, run))
    assert (run.status, run.error) == ("succeeded", None)
    assert output(run) == {"ledger": {"applied": True}, "gate": "open"}
    assert (ledger.entries(), ledger.n_asked()) == ([("r", 1)], 1)


def test_a_run_past_its_deadline_expires_whoever_holds_it() -> None:
    run = a_run("test-effects", {"n": 3, "run": "r"})
    claimed = claim(a_worker())
    execute("UPDATE runs_run SET deadline_at = now() - interval '1 s' WHERE id = %(id)s", {"id": run.pk})
    assert expire_overdue() == 1
    advance(claimed)
    run.refresh_from_db()
    assert (run.status, run.end_reason) == ("expired", "its deadline has passed")


@pytest.mark.parametrize(
    ("verb", "legal"),
    [
        (pause_run, ["retry", "rewind"]),
        (resume_run, ["retry", "rewind"]),
        (cancel_run, ["retry", "rewind"]),
        (kill_run, ["retry", "rewind"]),
    ],
)
def test_what_is_not_possible_is_refused_with_what_is(verb: Verb, legal: list[str]) -> None:
    run = drive(a_run("test-misbehaves", {"how": "fails"}))
    with pytest.raises(IllegalMoveError) as refused:
        do(verb, run)
    assert refused.value.data["legal"] == legal


@pytest.mark.parametrize("verb", [pause_run, resume_run, cancel_run, kill_run, retry_run])
def test_only_those_who_may_run_move_runs_and_only_of_their_team(verb: Verb) -> None:
    run = a_sleeping_run()
    with pytest.raises(NotAllowedError):
        do(verb, run, scopes=frozenset({Scope.READ}))
    with pytest.raises(NotFoundError):
        verb(actor=Actor(new_id(), None, "Bea", frozenset(Scope)), run_id=run.pk)
    run.refresh_from_db()
    assert run.status == "sleeping"


@pytest.mark.parametrize(("verb", "status"), [(cancel_run, "cancelled"), (pause_run, "paused")])
@pytest.mark.parametrize(
    ("program", "given"),
    [
        ("test-naps", {"run": "r", "seconds": 3600}),
        ("test-waits", {"for": [{"kind": "signal", "name": "go"}]}),
    ],
)
def test_a_run_that_was_asked_just_before_it_went_to_sleep_or_wait_hears_of_it(
    verb: Verb, status: str, program: str, given: Any
) -> None:
    ledger.create()
    run = a_run(program, given)
    claimed = claim(a_worker())
    do(verb, run)
    advance(claimed)
    run.refresh_from_db()
    assert (run.status, run.control) == (status, "")
