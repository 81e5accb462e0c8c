"""Who archives or deletes a run meets those who go on with it: one of them waits or is refused, and nothing is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connection

from agentops.common.errors import AgentOpsError, ConflictError, RunArchivedError
from runs.archives.verdicts import archive_verdict
from runs.checkpoints.verify import verify_run
from runs.models import Archive, Reuse, Run
from runs.services import fork_run, store_archive
from runs.services.delete_runs import delete_runs
from runs.services.fork_plan import plan_fork
from runs.services.hold_run import hold_run
from runs.services.retry_run import retry_run
from runs.services.strip_run import strip_run
from tests import ledger
from tests.forking import actor_of, fork
from tests.races import at_once
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")


@pytest.fixture
def mailed() -> Run:
    """A run that has mailed three times."""
    ledger.create()
    return drive(a_run("test-script", {"steps": [[["test.mail", {"to": to}]] for to in "abc"]}))


def beside(action: Callable[[], T]) -> T:
    """Do it in another thread, on a connection of its own, now."""

    def one() -> T:
        try:
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(one).result(timeout=30)


def archive(run: Run) -> Archive:
    return strip_run(store_archive.store_archive(run_id=run.pk, by="a test"))


@pytest.mark.parametrize("is_held", [True, False], ids=["as it is", "control: the fork does not look again"])
def test_a_run_that_is_archived_while_it_is_forked_is_not_forked_without_its_past(
    mailed: Run, monkeypatch: pytest.MonkeyPatch, *, is_held: bool
) -> None:

    def planned(*args: Any) -> Any:
        made = plan_fork(*args)
        beside(lambda: archive(mailed))
        return made

    monkeypatch.setattr(fork_run, "plan_fork", planned)
    if is_held:
        with pytest.raises(RunArchivedError):
            fork(mailed, 0, "recorded")
        assert Run.objects.count() == 1
        return
    monkeypatch.setattr(fork_run, "_hold", lambda *_: None)
    child = fork(mailed, 0, "recorded")
    assert not Reuse.objects.filter(run=child).exists(), "it would mail all three again"


def test_a_run_is_neither_archived_nor_deleted_while_a_fork_copies_it(
    mailed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, gone = fork_run.reused_actions, []

    def copied(plan: Any) -> Any:
        gone.extend(beside(lambda: delete_runs(run_ids=[mailed.pk], by="a test")))
        return copy(plan)

    monkeypatch.setattr(fork_run, "reused_actions", copied)
    child = fork(mailed, 0, "recorded")
    monkeypatch.undo()
    assert gone == []
    assert Reuse.objects.filter(run=child).count() == 3
    assert len(delete_runs(run_ids=[mailed.pk], by="a test")) == 1
    child = drive(child)
    assert (verify_run(child).is_clean, child.forked_from_id) == (True, None)
    assert sorted(dict(ledger.entries()).values()) == [1, 1, 1]


@pytest.mark.parametrize(
    "is_checked", [True, False], ids=["as it is", "control: the archiver does not look again"]
)
def test_a_failed_run_that_is_retried_while_it_is_archived_goes_on_whole(
    monkeypatch: pytest.MonkeyPatch, *, is_checked: bool
) -> None:
    run = drive(a_run("test-misbehaves", {"how": "fails"}))
    kept = store_archive._kept

    def interrupted(*args: Any) -> Any:
        written = kept(*args)
        beside(lambda: retry_run(actor=actor_of(run), run_id=run.pk))
        return written

    monkeypatch.setattr(store_archive, "_kept", interrupted)
    if not is_checked:
        monkeypatch.setattr(store_archive, "_LOCK", "SELECT 1 WHERE %(run_id)s::uuid IS NOT NULL AND %(epoch)s::bigint > -1 AND %(ended_at)s::text <> ''")  # fmt: skip
        monkeypatch.setattr(store_archive, "fingerprint", lambda _: [])
        archive(run)
        run.refresh_from_db()
        assert (run.status, run.archived_at is None) == ("queued", False), (
            "it waits for a worker without its rows"
        )
        return
    with pytest.raises(ConflictError, match="has changed"):
        archive(run)
    run.refresh_from_db()
    assert (run.status, run.archived_at) == ("queued", None)
    assert not Archive.objects.exists()
    assert drive(run).status == "failed"


def test_of_many_archivers_one_archives(mailed: Run) -> None:
    def one() -> bool:
        try:
            archive(mailed)
        except AgentOpsError:
            return False
        return True

    assert at_once(one, times=4).count(True) == 1
    mailed.refresh_from_db()
    assert archive_verdict(mailed).is_clean
    assert Archive.objects.count() == 1


def test_a_hold_that_comes_in_time_keeps_the_run(mailed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store_archive._kept

    def interrupted(*args: Any) -> Any:
        beside(lambda: hold_run(actor=actor_of(mailed), run_id=mailed.pk, kind="legal", reason="case 7"))
        return kept(*args)

    monkeypatch.setattr(store_archive, "_kept", interrupted)
    with pytest.raises(ConflictError):
        archive(mailed)
    assert verify_run(mailed).is_clean
    assert delete_runs(run_ids=[mailed.pk], by="a test") == []
