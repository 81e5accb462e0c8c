"""Waiting under races: whatever comes first, each wait ends once, and no run sleeps through what it waits for.

Each race stands beside its control: the same race without the guard loses or doubles something.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Barrier, BrokenBarrierError, Lock
from typing import Any
from uuid import UUID

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, IllegalMoveError
from runs.journal import fence
from runs.journal.actions import ActionJournal
from runs.models import Event, Run, Signal, Wait
from runs.services import action_shell, publish_event, settle_waits
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.cancel_run import cancel_run
from runs.services.publish_event import publish_event as publish
from runs.services.send_signal import send_signal
from runs.services.settle_waits import settle_waits as settle
from runs.services.sweep import wake_due
from runs.services.sweep_waits import look_again, match_events
from tests import ledger
from tests.races import at_once
from tests.runs import a_run, a_team, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db(transaction=True)
PAID = {"kind": "event", "name": "paid", "key": "A-1"}
ROUNDS = 12


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def queued(*conditions: dict[str, Any], **more: Any) -> Run:
    return a_run("test-waits", {"for": list(conditions), **more})


def waiting(*conditions: dict[str, Any], **more: Any) -> Run:
    run = queued(*conditions, **more)
    advance(claim(a_worker()))
    return run


def together(*actions: Callable[[], object]) -> list[Any]:
    """Do the actions at the same moment, each in a thread."""
    turns, lock = iter(actions), Lock()

    def one() -> object:
        with lock:
            action = next(turns)
        return action()

    return at_once(one, times=len(actions))


def say_paid(n: int = 0) -> Any:
    return publish(actor=ada(), name="paid", key="A-1", payload={"n": n})


def times_woken(run: Run) -> int:
    return dict(ledger.entries()).get(f"woken {run.pk}", 0)


class TestAnEventAroundTheRegistration:
    def race(self) -> Run:
        """An event comes while a run is about to wait for it."""
        run, worker = queued(PAID), a_worker()
        ada()
        together(partial(advance, claim(worker)), say_paid)
        run.refresh_from_db()
        return run

    def test_before_during_or_after_it_wakes_the_run_once(self) -> None:
        for _ in range(ROUNDS):
            run = self.race()
            assert run.status == "queued", "nobody is left waiting for what has come"
            assert drive(run).status == "succeeded"
            assert times_woken(run) == 1
            Event.objects.all().delete()

    def test_the_control_without_the_second_look_leaves_it_waiting(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event comes after the node began and before its wait stands, and nobody looks back."""
        monkeypatch.setattr(action_shell, "look_back", lambda _: None)
        with before_the_wait_stands(monkeypatch, say_paid):
            run = queued(PAID)
            advance(claim(a_worker()))
        run.refresh_from_db()
        assert run.status == "waiting"

    def test_with_the_second_look_the_same_event_wakes_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with before_the_wait_stands(monkeypatch, say_paid):
            run = queued(PAID)
            advance(claim(a_worker()))
        run.refresh_from_db()
        assert run.status == "queued"


@contextmanager
def before_the_wait_stands(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Iterator[None]:
    """Do `act` when a run is about to register its wait."""
    real = ActionJournal.wait

    def wait(*args: Any, **more: Any) -> None:
        act()
        real(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(ActionJournal, "wait", wait)
        yield


class TestTwoForOneWait:
    def test_two_events_end_one_wait_once(self) -> None:
        for _ in range(ROUNDS):
            run = waiting(PAID)
            found: list[Any] = together(partial(say_paid, 1), partial(say_paid, 2))
            assert sorted(matched for _, matched, _ in found) == [0, 1]
            assert drive(run).status == "succeeded"
            assert times_woken(run) == 1
            Event.objects.all().delete()

    def test_signals_from_many_threads_are_taken_once_each(self) -> None:
        run, count = waiting({"kind": "signal", "name": "say"}, rounds=6), iter(range(100))
        at_once(lambda: send_signal(actor=ada(), run_id=run.pk, name="say", payload=next(count)), times=6)
        came = output(drive(run))
        assert sorted(signal["payload"] for signal in came) == list(range(6))
        assert Signal.objects.count() == 6


class TestTheLastTwoOfAll:
    """Two conditions of one wait are met at the same instant: each side sees the other's still open."""

    @pytest.fixture
    def in_step(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Barrier:
        """Let both sides close their wait before either looks whether the run may go on, and look before either commits.

        As far as the lock lets them; until the barrier is reset nobody waits at it.
        """
        barrier, real = Barrier(2), fence.query
        patience_seconds = 30.0 if "control" in request.node.name else 3.0

        def query(sql: str, params: Any) -> Any:
            rows = real(sql, params)
            if sql in (settle_waits._CLOSE, settle_waits._WAKE):
                with suppress(BrokenBarrierError):
                    barrier.wait(timeout=patience_seconds)
            return rows

        monkeypatch.setattr(settle_waits, "query", query)
        barrier.abort()
        return barrier

    def both(self, barrier: Barrier) -> Run:
        run = waiting({"kind": "event", "name": "a"}, {"kind": "event", "name": "b"}, all=True)
        barrier.reset()
        say = partial(publish, actor=ada(), payload={})
        together(partial(say, name="a"), partial(say, name="b"))
        run.refresh_from_db()
        return run

    def test_the_run_is_woken(self, in_step: Barrier) -> None:
        assert self.both(in_step).status == "queued"

    def test_the_control_without_the_lock_of_the_run_row_sleeps_on(
        self, in_step: Barrier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unlocked = settle_waits._LOCK.replace(" FOR NO KEY UPDATE", "")
        monkeypatch.setattr(settle_waits, "_LOCK", unlocked)
        assert self.both(in_step).status == "waiting"


class TestAgainstAnEnd:
    def test_an_event_against_a_cancel_ends_the_run_and_wakes_nobody(self) -> None:
        for _ in range(ROUNDS):
            run = waiting(PAID)
            together(say_paid, partial(cancel_run, actor=ada(), run_id=run.pk))
            run.refresh_from_db()
            assert run.status == "cancelled"
            assert times_woken(run) == 0
            Event.objects.all().delete()

    def test_a_timer_against_an_event_gives_one_of_both(self) -> None:
        results = set()
        for _ in range(ROUNDS):
            run, worker = waiting(PAID), a_worker()
            make_due(run)
            Run.objects.filter(pk=run.pk).update(wake_at="2020-01-01T00:00:00Z")
            wake_due()
            claimed = claim(worker)
            together(partial(advance, claimed), say_paid)
            final = output(drive(run))
            results.add("late" in final)
            closed = Wait.objects.get(run_id=run.pk)
            assert closed.closed_as == ("timeout" if "late" in final else "event")
            assert times_woken(run) == ("late" not in final)
            Event.objects.all().delete()
        assert results

    def test_two_people_answer_and_one_is_told(self) -> None:
        for _ in range(ROUNDS):
            run = a_run("test-asks", {"args": {}})
            advance(claim(a_worker()))
            found = together(partial(reply, run.pk, "approve"), partial(reply, run.pk, "reject"))
            assert sorted(map(str, found)) == sorted(["None", "told"])
            assert drive(run).status == "succeeded"


def reply(run_id: UUID, what: Any) -> str | None:
    try:
        answer_wait(actor=ada(), run_id=run_id, seq=2, reply=what)
    except (ConflictError, IllegalMoveError):
        return "told"
    return None


class TestTwoClocks:
    def test_however_many_clocks_sweep_each_wait_ends_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        runs = [waiting(PAID) for _ in range(6)]
        monkeypatch.setattr(publish_event, "match_event", lambda _: 0)
        say_paid()
        Event.objects.update(received_at="2099-01-01T00:00:00Z")
        Event.objects.update(
            received_at=Wait.objects.values_list("created_at", flat=True).latest("created_at")
        )
        monkeypatch.undo()
        monkeypatch.setattr("runs.services.sweep_waits.OVERDUE_SECONDS", -5.0)
        at_once(clock, times=4)
        for run in runs:
            assert drive(run).status == "succeeded"
            assert times_woken(run) == 1

    def test_settling_in_many_threads_wakes_once(self) -> None:
        run = waiting(PAID)
        Event.objects.create(team_id=run.team_id, name="paid", key="A-1", payload={}, digest=b"")
        event = Event.objects.get()
        closed = at_once(lambda: settle([run.pk], event_id=event.pk), times=6)
        assert sorted(closed) == [0, 0, 0, 0, 0, 1]


def clock() -> None:
    match_events()
    look_again()
    wake_due()
