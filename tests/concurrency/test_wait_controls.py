"""The controls of races around a wait: with a guard taken out, the same race does the harm that the guard keeps off."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from runs.journal import fence
from runs.models import Event, Run, Wait
from runs.services import action_shell, settle_waits
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.sweep import wake_due
from runs.services.sweep_waits import tell_parents
from tests import ledger
from tests.concurrency.test_waits import (
    PAID,
    ada,
    before_the_wait_stands,
    queued,
    say_paid,
    together,
    waiting,
)
from tests.runs import a_run, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db(transaction=True)

STILL_OPEN = "AND x.closed_at IS NULL\n    AND (f.ref_id"
STILL_WAITS = "AND r.status IN ('waiting', 'awaiting_approval') AND EXISTS"


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def taken_out(text: str, guard: str, instead: str) -> str:
    assert guard in text, "the statement has changed; so must this control"
    return text.replace(guard, instead)


def after_statement(monkeypatch: pytest.MonkeyPatch, part: str, act: Callable[[], object]) -> None:
    """Do `act` after each statement of settle_waits that contains `part`, before it commits."""
    real = fence.query

    def query(sql: str, params: Any) -> Any:
        rows = real(sql, params)
        if part in sql:
            act()
        return rows

    monkeypatch.setattr(settle_waits, "query", query)


class TestTwoEvents:
    def matches(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Two events for one wait; each lingers between closing it and committing."""
        after_statement(monkeypatch, "AS place", lambda: time.sleep(0.4))
        waiting(PAID)
        found: list[Any] = together(partial(say_paid, 1), partial(say_paid, 2))
        return sorted(matched for _, matched, _ in found)

    def test_one_of_them_ends_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.matches(monkeypatch) == [0, 1]

    def test_control_without_lock_and_second_look_at_the_wait_both_do(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unlocked = taken_out(settle_waits._LOCK, " FOR NO KEY UPDATE", "")
        monkeypatch.setattr(settle_waits, "_LOCK", unlocked)
        monkeypatch.setattr(
            settle_waits, "_CLOSE", taken_out(settle_waits._CLOSE, STILL_OPEN, "AND (f.ref_id")
        )
        assert self.matches(monkeypatch) == [1, 1]


class TestAnEventAgainstACancel:
    def status(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """A cancel comes between the closing of the wait and the waking of the run, as it could without the lock."""
        run = waiting(PAID)
        after_statement(monkeypatch, "AS place", partial(self.cancelled, run))
        say_paid()
        run.refresh_from_db()
        return run.status

    def cancelled(self, run: Run) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE runs_run SET status = 'cancelled', ended_at = clock_timestamp(), ended_by = 'Ada' WHERE id = %s",
                [run.pk],
            )

    def test_the_run_stays_cancelled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.status(monkeypatch) == "cancelled"

    def test_control_without_the_look_at_the_status_it_is_woken_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settle_waits, "_WAKE", taken_out(settle_waits._WAKE, STILL_WAITS, "AND EXISTS"))
        assert self.status(monkeypatch) == "queued"


class TestATimerAgainstAnEvent:
    def late_event(self) -> Wait:
        """The time of a wait runs out; the event comes a moment later, of a publisher that saw the wait open."""
        run = waiting(PAID)
        make_due(run)
        Run.objects.filter(pk=run.pk).update(wake_at="2020-01-01T00:00:00Z")
        wake_due()
        assert "late" in output(drive(run))
        Event.objects.create(team_id=run.team_id, name="paid", key="A-1", payload={}, digest=b"")
        Run.objects.filter(pk=run.pk).update(ended_at=None)  # it does something else by now
        settle_waits.settle_waits([run.pk], event_id=Event.objects.get().pk)
        return Wait.objects.get(run_id=run.pk)

    def test_what_ended_the_wait_stays(self) -> None:
        assert self.late_event().closed_as == "timeout"

    def test_control_without_the_look_whether_the_wait_is_open_history_is_rewritten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blind = taken_out(settle_waits._CLOSE, STILL_OPEN, "AND (f.ref_id")
        blind = taken_out(blind, "AND x.closed_at IS NULL AND x.settled_at IS NULL", "")
        monkeypatch.setattr(settle_waits, "_CLOSE", blind)
        assert self.late_event().closed_as == "event"


class TestAChildThatEndsWhileItsParentSuspends:
    def parent(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        child = a_run("test-steps", {"n": 1})
        parent = queued({"kind": "child", "name": str(child.pk)})
        Run.objects.filter(pk=child.pk).update(parent=parent, parent_seq=2, root_id=parent.pk)
        claimed = claim_of(parent)

        def child_ends() -> None:
            drive(child)
            tell_parents()

        with before_the_wait_stands(monkeypatch, child_ends):
            advance(claimed)
        parent.refresh_from_db()
        return parent

    def test_is_not_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parent = self.parent(monkeypatch)
        assert parent.status == "queued"
        assert drive(parent).status == "succeeded"

    def test_control_without_the_parents_own_look_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(action_shell, "look_back", lambda _: None)
        assert self.parent(monkeypatch).status == "waiting"


def claim_of(run: Run) -> Any:
    """Claim this run, whatever else is queued."""
    Run.objects.filter(pk=run.pk).update(priority=50)
    claimed = claim(a_worker())
    assert claimed.lease.run_id == run.pk
    return claimed


def test_a_cancel_over_the_api_is_what_the_race_above_stands_for() -> None:
    run = waiting(PAID)
    cancel_run(actor=ada(), run_id=run.pk)
    say_paid()
    run.refresh_from_db()
    assert run.status == "cancelled"
