"""Whoever archives, deletes or prunes is killed at every statement: nothing is lost, and nothing stays half."""

from pathlib import Path

import pytest
from django.db import connection

from runs.archives.verdicts import archive_verdict
from runs.checkpoints.verify import verify_run
from runs.models import Archive, Run, RunHold
from runs.services import work_on_retention
from runs.services.delete_runs import delete_runs
from runs.services.export_run import export_run
from runs.services.import_run import import_run
from runs.services.prune_run import prune_run
from runs.services.restore_run import restore_run
from runs.services.store_archive import store_archive
from runs.services.strip_run import strip_run
from runs.services.work_on_retention import finish_archives
from tests import ledger
from tests.crash.dying import killed
from tests.forking import actor_of
from tests.integration.test_archives import rows_of
from tests.integration.test_retention import aged
from tests.runs import a_run, drive, state

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

EVERY = 2  # each second statement: enough to meet every stage


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    ledger.create()
    monkeypatch.setattr(work_on_retention, "ARCHIVE_LEASE_SECONDS", -1.0)
    monkeypatch.setattr("runs.services.store_archive.LEASE_SECONDS", -1)
    nodes = [[["write", "a.txt", "one" * 30_000]], [["tool", "test.echo", {"value": "x" * 100_000}]]]
    return drive(a_run("test-filing", {"nodes": nodes}))


def is_safe(run: Run) -> bool:
    """Whether all that the run is made of can be read: here, or in an archive that is what was written."""
    found = Run.objects.filter(pk=run.pk).first()
    if found is None:
        return False
    return verify_run(found).is_clean if found.archived_at is None else archive_verdict(found).is_clean


def test_killed_in_mid_archive_nothing_is_lost_and_nothing_stays_half(run: Run) -> None:
    before, last, at, seen = rows_of(run), state(run), 0, set()

    def archive() -> None:
        strip_run(store_archive(run_id=run.pk, by="a test"))

    while killed(archive, at):
        assert is_safe(run), f"killed at statement {at}"
        finish_archives()
        run.refresh_from_db()
        seen.add(run.archived_at is not None)
        if run.archived_at is not None:
            assert not any(rows_of(run).values()), f"half of it stayed, killed at statement {at}"
            restore_run(actor=actor_of(run), run_id=run.pk)
            RunHold.objects.all().delete()
        assert rows_of(run) == before, f"killed at statement {at}"
        at += EVERY
    assert seen == {True, False}, "killed both before the file counted and after"
    assert at > 10
    run.refresh_from_db()
    assert run.archived_at
    restored = restore_run(actor=actor_of(run), run_id=run.pk)
    assert (state(restored), rows_of(run)) == (last, before)


def test_control_rows_that_go_before_the_file_is_kept_are_lost_with_their_remover(run: Run) -> None:
    def naive() -> None:
        with connection.cursor() as cursor:
            for name in ("runs_step", "runs_outcome", "runs_checkpoint"):
                cursor.execute(f"DELETE FROM {name} WHERE run_id = %s", [run.pk])
        store_archive(run_id=run.pk, by="a test")

    assert any(killed(naive, at) and not is_safe(run) for at in range(1, 9))


def test_killed_in_mid_delete_the_run_is_whole_or_goes_for_good(run: Run, tmp_path: Path) -> None:
    before, at, seen, path = rows_of(run), 0, set(), tmp_path / "run.aorun"
    export_run(run_id=run.pk, path=path)
    while killed(lambda: delete_runs(run_ids=[run.pk], by="a test"), at):
        is_doomed = Archive.objects.filter(run_id=run.pk, restored_at=None).exists()
        assert is_doomed or rows_of(run) == before, f"killed at statement {at}"
        finish_archives()
        is_gone = not Run.objects.filter(pk=run.pk).exists()
        assert is_gone == is_doomed, f"killed at statement {at}"
        assert not is_gone or not any(rows_of(run).values())
        seen.add(is_gone)
        if is_gone:
            assert verify_run(import_run(path=path, by="a test")).is_clean
            RunHold.objects.all().delete()
        at += EVERY
    assert seen == {True, False}
    assert not Run.objects.filter(pk=run.pk).exists()


def test_killed_in_mid_prune_the_chain_is_clean_and_the_state_the_same() -> None:
    ledger.create()
    run = aged(drive(a_run("test-effects", {"run": "r", "n": 55})), 10)
    last, at = state(run), 0
    while killed(lambda: prune_run(run_id=run.pk, after_days=5, by="a test"), at):
        assert verify_run(run).is_clean, f"killed at statement {at}"
        assert state(run) == last
        at += EVERY
    assert at > 5
    assert (verify_run(run).is_clean, state(run)) == (True, last)
    assert prune_run(run_id=run.pk, after_days=5, by="a test") == 0
