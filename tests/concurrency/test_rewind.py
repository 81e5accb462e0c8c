"""A rewind and a worker never both take a run; the controls show what happens when they do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import QuerySet

from agentops.common.errors import IllegalMoveError
from runs import claims
from runs.checkpoints.verify import verify_run
from runs.models import Branch, Run
from runs.services import begin_branch
from runs.services.advance import advance
from runs.services.rewind_run import rewind_run
from runs.services.sweep import wake_due
from tests import ledger
from tests.forking import actor_of, fork
from tests.races import at_once
from tests.runs import a_run, a_worker, claim, drive, make_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sleeper() -> Run:
    """A run that mailed a, and sleeps before it mails b."""
    ledger.create()
    steps = [[["test.mail", {"to": to}]] for to in "ab"]
    run = a_run("test-script", {"steps": steps, "rest": 3600})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert (run.status, ledger.entries()) == ("sleeping", [("mail a", 1)])
    return run


def one_slice(worker_id: UUID) -> int:
    """Let a worker wake and execute what it can get, on a connection of its own; return how many runs it got."""
    try:
        wake_due()
        claimed = claims.claim(worker_id=worker_id, queue="default", limit=1)
        for one in claimed:
            advance(one)
        return len(claimed)
    finally:
        connection.close()


@pytest.mark.parametrize("is_locked", [True, False], ids=["as it is", "control: without the lock"])
def test_a_worker_that_comes_in_the_middle_of_a_rewind_gets_nothing(
    sleeper: Run, monkeypatch: pytest.MonkeyPatch, *, is_locked: bool
) -> None:
    make_due(sleeper)
    worker_id, got, move = a_worker(), [], begin_branch._move

    def interrupted(*args: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            got.append(pool.submit(one_slice, worker_id).result(timeout=20))
        move(*args)

    monkeypatch.setattr(begin_branch, "_move", interrupted)
    if not is_locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_: self)
    rewind_run(actor=actor_of(sleeper), run_id=sleeper.pk, seq=0)
    monkeypatch.undo()
    assert got == [0 if is_locked else 1]
    if not is_locked:  # two stretches of the run bear the same numbers: it cannot go on
        with pytest.raises(AssertionError, match="after 6 slices"):
            drive(sleeper, slices=6)
        return
    run = drive(sleeper)
    assert run.status == "succeeded"
    assert dict(ledger.entries()) == {"mail a": 1, "mail b": 1}
    assert verify_run(run).is_clean


def test_of_many_rewinds_at_once_one_takes(sleeper: Run) -> None:
    def go() -> bool:
        try:
            rewind_run(actor=actor_of(sleeper), run_id=sleeper.pk, seq=0)
        except IllegalMoveError:
            return False
        return True

    assert sorted(at_once(go)) == [False] * 5 + [True]
    assert Branch.objects.filter(run=sleeper).count() == 1
    run = drive(sleeper)
    assert dict(ledger.entries()) == {"mail a": 1, "mail b": 1}
    assert verify_run(run).is_clean


def test_a_rewind_races_a_worker_round_after_round_and_every_mail_goes_once(sleeper: Run) -> None:
    worker_id, taken = a_worker(), 0
    for _ in range(12):
        make_due(sleeper)
        turns = count()

        def go(turns: Iterator[int] = turns) -> bool:
            if next(turns):
                one_slice(worker_id)
                return False
            try:
                rewind_run(actor=actor_of(sleeper), run_id=sleeper.pk, seq=0)
            except IllegalMoveError:
                return False
            return True

        taken += any(at_once(go, times=2))
        sleeper.refresh_from_db()
    run = drive(sleeper)
    assert run.status == "succeeded"
    assert all(count == 1 for _, count in ledger.entries())
    assert verify_run(run).is_clean
    assert run.branch == 1 + taken


def test_forks_of_one_step_at_once_are_all_made_and_leave_the_parent_alone(sleeper: Run) -> None:
    made = at_once(lambda: fork(sleeper, 0, "dry").pk, times=6)
    assert Run.objects.filter(pk__in=made, forked_from=sleeper, status="queued").count() == 6
    before = sleeper.epoch, sleeper.status, bytes(sleeper.head_hash)
    sleeper.refresh_from_db()
    assert (sleeper.epoch, sleeper.status, bytes(sleeper.head_hash)) == before
