"""Whoever forks, rewinds or heals a run is killed at every statement: it is done whole or not at all, files included."""

import itertools
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from runs.checkpoints.verify import verify_run
from runs.models import Branch, Run, Worker
from runs.services import fork_run
from runs.services.rewind_run import rewind_run
from runs.services.sweep import requeue_orphans
from tests import ledger
from tests.crash.dying import killed
from tests.filing import kept
from tests.forking import actor_of, fork
from tests.runs import a_run, a_worker, drive, output, state

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

NODES = [
    [["write", "a.txt", "one"]],
    [["append", "a.txt", " two"], ["tool", "test.look", {}]],
    [["write", "b.txt", "x"]],
]
EXPECTED = {"a.txt": "one two", "b.txt": "x"}


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


@pytest.fixture
def failed() -> Run:
    """A run with a file, which failed at its second node."""
    run = drive(a_run("test-filing", {"nodes": NODES}))
    assert run.status == "failed"
    return run


def is_whole(child: Run, parent: Run) -> bool:
    return verify_run(child).is_clean and (state(child), kept(child)) == (
        state(parent, 1),
        kept(parent, 1),
    )


def test_killed_in_mid_fork_there_is_a_whole_fork_or_none(failed: Run) -> None:
    before = verify_run(failed)
    known: set[UUID] = set()
    for at in itertools.count():
        is_over = not killed(lambda: fork(failed, 1), at)
        new = Run.objects.filter(forked_from=failed).exclude(pk__in=known)
        assert all(is_whole(child, failed) for child in new), f"killed at statement {at}"
        known |= set(new.values_list("pk", flat=True))
        assert verify_run(failed) == before
        if is_over:
            break
    assert at > 10
    assert known, "the last one was not killed"
    ledger.allow_success()
    assert output(drive(Run.objects.get(pk=max(known)))) == EXPECTED


def test_control_a_fork_in_two_transactions_stays_half(failed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_run, "transaction", nullcontext)
    halves = 0
    for at in itertools.count():
        if not killed(lambda: fork(failed, 1), at):
            break
        halves += sum(
            not is_whole_or_broken(child, failed) for child in Run.objects.filter(forked_from=failed)
        )
    assert halves > 0


def is_whole_or_broken(child: Run, parent: Run) -> bool:
    """As is_whole, where what cannot even be read is not whole."""
    try:
        return is_whole(child, parent)
    except Exception:  # noqa: BLE001 -- whatever half a run makes of itself
        return False


def test_killed_in_mid_rewind_the_run_goes_on_at_the_old_place_or_at_the_new(failed: Run) -> None:
    for at in itertools.count():
        if not killed(lambda: rewind_run(actor=actor_of(failed), run_id=failed.pk, seq=1), at):
            break
        failed.refresh_from_db()
        assert (failed.status, failed.branch) in {("failed", 1), ("queued", 2)}, f"killed at statement {at}"
        assert Branch.objects.filter(run=failed).count() == failed.branch - 1
        assert verify_run(failed).is_clean
        if failed.branch == 2:
            break
    assert at > 5
    ledger.allow_success()
    failed.refresh_from_db()
    assert output(drive(failed)) == EXPECTED


@pytest.mark.parametrize("first", range(4))
def test_killed_while_it_heals_the_run_goes_on_with_the_files_of_its_checkpoint(first: int) -> None:
    """A process that claims, fails, heals and goes on is killed at each statement from `first` on, four apart."""
    for at in itertools.count(first, 4):
        ledger.create()
        run, worker_id = a_run("test-filing-healed", {"nodes": NODES}), a_worker()
        was_killed = killed(partial(heal, run, worker_id), at)
        Worker.objects.filter(pk=worker_id).update(dead_at=Now())
        requeue_orphans()
        ledger.allow_success()
        run = drive(run)
        assert (run.status, run.error) == ("succeeded", None), f"killed at statement {at}"
        assert output(run) == EXPECTED
        assert verify_run(run).is_clean
        assert Branch.objects.filter(run=run).count() == run.branch - 1
        if not was_killed:
            break
    assert at > 20


def heal(run: Run, worker_id: Any) -> None:
    """Work on the run until it has left its first branch; the gate is closed, so nothing else can end that."""
    while run.branch == 1:
        with suppress(AssertionError):
            drive(run, worker_id=worker_id, slices=1)
        run.refresh_from_db()
