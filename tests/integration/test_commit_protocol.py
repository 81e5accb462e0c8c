"""The fence and the token: a stale worker writes nothing, and a lost answer is neither a lost lease nor a second commit.

Each has its control, in which the protection is taken out and the harm is seen.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection

from runs.journal import fence, statements
from runs.models import Checkpoint, Run, Step
from runs.services.advance import advance
from tests import ledger
from tests.runs import a_run, a_worker, claim, drive, output, state

pytestmark = pytest.mark.django_db(transaction=True)

Execute = Callable[[str, Any], Any]


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


@pytest.fixture
def _fresh_statements() -> Iterator[None]:
    statements.statement.cache_clear()
    yield
    statements.statement.cache_clear()


@pytest.mark.usefixtures("_fresh_statements")
@pytest.mark.parametrize(
    ("lock", "is_harmed"), [(" FOR SHARE", False), ("", True), (" FOR KEY SHARE", True)], ids=str
)
def test_only_a_share_lock_with_the_epoch_keeps_a_stale_worker_out(
    monkeypatch: pytest.MonkeyPatch, lock: str, is_harmed: bool
) -> None:
    guard = statements.GUARDS["share"].replace(" FOR SHARE", lock)
    monkeypatch.setitem(statements.GUARDS, "share", guard)
    run = a_run("test-effects", {"n": 1, "run": "r"})
    stale = claim(a_worker())
    with psycopg.connect(ledger.dsn()) as other, ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE runs_run SET epoch = epoch + 1 WHERE id = %s", (run.pk,))
        slice_of_the_stale = pool.submit(on_a_connection_of_its_own, lambda: advance(stale))
        wait_until_it_waits_for_a_lock(slice_of_the_stale.done)
        other.commit()
        slice_of_the_stale.result(timeout=10)
    assert (Step.objects.filter(run=run).exists(), bool(ledger.entries())) == (is_harmed, is_harmed)
    assert not Checkpoint.objects.filter(run=run).exists()


def on_a_connection_of_its_own(act: Callable[[], None]) -> None:
    try:
        act()
    finally:
        connection.close()


def wait_until_it_waits_for_a_lock(is_done: Callable[[], bool]) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(ledger.dsn(), autocommit=True) as observer:
        for _ in range(1000):
            row = observer.execute(waiting).fetchone()
            if is_done() or (row and row[0]):
                return
            observer.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the stale worker neither ended nor waited")


class Unreliable:
    """The way to the database: loses each `nth` answer after the statement was committed."""

    def __init__(self, execute: Execute, nth: int) -> None:
        self.execute, self.nth, self.n_lost, self.n = execute, nth, 0, 0

    def __call__(self, sql: str, params: Any) -> Any:
        row = self.execute(sql, params)
        is_commit = "INSERT INTO runs_step" in sql and row is not None
        self.n += is_commit
        if is_commit and self.n % self.nth == 0:
            self.n_lost += 1
            raise psycopg.OperationalError("the connection was lost")
        return row


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_commit_whose_answer_is_lost_counts_once(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    way = Unreliable(fence.execute, nth)
    monkeypatch.setattr(fence, "execute", way)
    run = drive(a_run("test-effects", {"n": 3, "run": "r"}))
    assert way.n_lost
    assert (run.status, output(run), run.claims, run.n_steps) == ("succeeded", {"n": 3}, 1, 9)
    assert state(run)["log"] == [0, 1, 2]
    assert ledger.entries() == [("r:0", 1), ("r:1", 1), ("r:2", 1)]
    assert ledger.n_asked() == 3


def test_control_without_the_token_a_lost_answer_looks_like_a_lost_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fence, "execute", Unreliable(fence.execute, 1))
    monkeypatch.setattr(fence, "_found", lambda sql, params: None)
    run = a_run("test-steps", {"n": 3})
    advance(claim(a_worker()))
    assert (Run.objects.get(pk=run.pk).status, Step.objects.filter(run=run).count()) == ("running", 1)


def test_a_database_that_is_away_for_a_while_costs_time_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    execute, absences = fence.execute, iter([True] * 4)

    def away_at_first(sql: str, params: Any) -> Any:
        if next(absences, False):
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return execute(sql, params)

    monkeypatch.setattr(fence, "execute", away_at_first)
    run = drive(a_run("test-effects", {"n": 1, "run": "r"}))
    assert (run.status, run.claims, run.n_retries) == ("succeeded", 1, 0)
    assert ledger.n_asked() == 1
