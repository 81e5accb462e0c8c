"""Trees under races: no child too many, none twice, none forgotten, and the parent wakes once.

Each race stands beside its control: the same race without the guard.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from runs.journal.actions import ActionJournal
from runs.journal.fence import execute, query
from runs.models import Fanout, Run, Wait
from runs.services import action_shell, admit_children, start_child
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.end_children import end_left_children
from runs.services.insert_runs import insert_runs
from runs.services.kill_run import kill_run
from runs.services.sweep_waits import tell_parents
from tests.races import at_once
from tests.runs import a_run, a_team, a_worker, claim, output

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 4
THREADS = 16
OK = {"how": "ok"}
_END_ONE = """
UPDATE runs_run SET status = 'succeeded', ended_at = clock_timestamp() WHERE id = (
    SELECT id FROM runs_run WHERE parent_id = %(id)s AND status = 'queued' LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
"""
_UNDER_WAY = "SELECT count(*) FROM runs_run WHERE parent_id = %(id)s AND NOT is_in_line AND ended_at IS NULL"


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def mapping(n: int, **more: Any) -> Run:
    """Return a parent whose children stand."""
    parent = a_run("test-starts", {"how": "map", "agent": "test-stubborn", "inputs": [OK] * n, "more": more})
    advance(claim(a_worker()))
    parent.refresh_from_db()
    return parent


def together(*actions: Callable[[], object]) -> list[Any]:
    turns, lock = iter(actions), threading.Lock()

    def one() -> object:
        with lock:
            action = next(turns)
        return action()

    return at_once(one, times=len(actions))


class TestAdmission:
    def crowd(self, n: int) -> tuple[Run, int]:
        """End children in many threads at once until none is queued; return the most that were under way at once."""
        parent = mapping(n, concurrency=LIMIT)
        peaks: list[int] = []

        def end_them() -> None:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                if execute(_END_ONE, {"id": parent.pk}) is None:
                    [(left,)] = query(
                        "SELECT count(*) FROM runs_run WHERE parent_id = %(id)s AND ended_at IS NULL",
                        {"id": parent.pk},
                    )
                    if not left or not query(_UNDER_WAY, {"id": parent.pk})[0][0]:
                        return
                    continue
                admit_children.admit_children(parent.pk, 2)
                peaks.append(query(_UNDER_WAY, {"id": parent.pk})[0][0])

        at_once(end_them, times=THREADS)
        parent.refresh_from_db()
        return parent, max(peaks)

    def test_under_sixteen_threads_never_more_than_the_limit_are_under_way(self) -> None:
        parent, peak = self.crowd(120)
        assert peak <= LIMIT
        fanout = Fanout.objects.get()
        assert (fanout.n_succeeded, fanout.n_failed, fanout.n_active) == (120, 0, 0)
        assert parent.status == "queued"
        assert Wait.objects.get().closed_as == "children"

    def test_the_control_without_the_lock_miscounts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        unlocked = admit_children._LOCK.replace(" FOR NO KEY UPDATE", "")
        assert unlocked != admit_children._LOCK
        monkeypatch.setattr(admit_children, "_LOCK", unlocked)
        _, peak = self.crowd(120)
        fanout = Fanout.objects.get()
        assert peak > LIMIT or (fanout.n_succeeded, fanout.n_active) != (120, 0)


class TestTheParentWhileChildrenEnd:
    def test_two_children_that_end_at_the_same_instant_wake_it_once(self) -> None:
        for _ in range(8):
            parent, worker = mapping(2, concurrency=2), a_worker()
            together(partial(advance, claim(worker)), partial(advance, claim(worker)))
            parent.refresh_from_db()
            assert (parent.status, parent.claims) == ("queued", 1)
            advance(claim(worker))
            parent.refresh_from_db()
            assert (parent.status, parent.claims) == ("succeeded", 2)
            assert [entry["status"] for entry in output(parent)] == ["succeeded"] * 2

    def while_it_suspends(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Let the child begin and end after its parent has started it and before the wait for it stands."""
        parent = a_run("test-starts", {"how": "wait_for", "agent": "test-stubborn", "input": OK})
        worker, real = a_worker(), ActionJournal.wait

        def wait(*args: Any, **more: Any) -> str:
            at_once(lambda: advance(claim(worker)), times=1)
            return real(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(ActionJournal, "wait", wait)
            advance(claim(worker))
        assert Run.objects.get(parent=parent).status == "succeeded"
        parent.refresh_from_db()
        return parent

    def test_a_child_that_ends_while_it_suspends_is_not_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.while_it_suspends(monkeypatch).status == "queued"

    def test_the_control_without_the_second_look_leaves_it_waiting(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(action_shell, "look_back", lambda _: None)
        assert self.while_it_suspends(monkeypatch).status == "waiting"

    def before_the_fanout_stands(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """A person cancels a child of two, and the clock takes note, before the parent waits for them."""
        parent = a_run(
            "test-starts",
            {"how": "map", "agent": "test-stubborn", "inputs": [OK, OK], "more": {"on_failure": "collect"}},
        )
        real = ActionJournal.wait

        def cancelled() -> None:
            cancel_run(actor=ada(), run_id=Run.objects.get(parent=parent, child_n=0).pk)
            tell_parents()

        def wait(*args: Any, **more: Any) -> str:
            at_once(cancelled, times=1)
            return real(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(ActionJournal, "wait", wait)
            advance(claim(a_worker()))
        advance(claim(a_worker()))
        parent.refresh_from_db()
        return parent

    def test_a_child_that_ended_before_the_fanout_stood_is_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.before_the_fanout_stands(monkeypatch).status == "queued"

    def test_the_control_without_the_first_count_waits_for_it_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = admit_children._LOCK.replace("looked_at IS NULL", "false")
        monkeypatch.setattr(admit_children, "_LOCK", lock)
        assert self.before_the_fanout_stands(monkeypatch).status == "waiting"


class TestTheEndOfTheParent:
    def race(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Kill a parent while it inserts its children, page by page."""
        monkeypatch.setattr(start_child, "PAGE", 5)
        parent = a_run(
            "test-starts", {"how": "map", "agent": "test-stubborn", "inputs": [OK] * 100, "more": {}}
        )
        claimed = claim(a_worker())

        def a_little_later() -> None:
            time.sleep(0.02)
            kill_run(actor=ada(), run_id=parent.pk)

        together(partial(advance, claimed), a_little_later)
        end_left_children()
        parent.refresh_from_db()
        return parent

    def test_a_parent_that_is_killed_while_it_starts_children_leaves_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(6):
            parent = self.race(monkeypatch)
            assert parent.status == "cancelled"
            assert not Run.objects.filter(parent=parent, ended_at=None).exists()

    def test_the_control_without_the_fence_leaves_some(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = insert_runs
        monkeypatch.setattr(start_child, "insert_runs", lambda runs, under: real(runs))
        left = 0
        for _ in range(6):
            left += Run.objects.filter(parent=self.race(monkeypatch), ended_at=None).count()
        assert left
