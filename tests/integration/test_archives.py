"""A run that is archived, deleted and brought back is the run that it was."""

from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from agentops.common.errors import BrokenArchiveError, ConflictError, RunArchivedError
from runs.archives import files, tables
from runs.archives.places import place_in_force
from runs.checkpoints.verify import verify_run
from runs.models import Archive, Blob, Run, RunHold, Step
from runs.selectors.archives import file_for
from runs.selectors.runs import run_for
from runs.services.archive_run import archive_run
from runs.services.delete_runs import delete_runs
from runs.services.export_run import export_run
from runs.services.import_run import import_run
from runs.services.restore_run import restore_run
from runs.services.retry_run import retry_run
from tests import ledger
from tests.forking import actor_of, fork
from tests.runs import a_run, drive, output, state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def rich_run() -> Run:
    """Return a run with files, large values, a rewound branch's worth of rows: steps, outcomes, checkpoints, contents."""
    return drive(a_run("test-filing", {"nodes": [
        [["write", "a.txt", "one"], ["tool", "test.echo", {"value": "x" * 200_000}]],
        [["write", "b.txt", "two" * 9000], ["sleep", 1]], [["append", "a.txt", "!"]],
    ]}))  # fmt: skip


def rows_of(run: Run) -> dict[str, list[str]]:
    """Return every row that moves, as PostgreSQL tells it."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for model in tables.MOVED:
            name = tables.table(model)
            cursor.execute(f"SELECT row_to_json(t)::text FROM {name} t WHERE run_id = %s", [run.pk])
            found[name] = sorted(row[0] for row in cursor.fetchall())
    return found


def test_a_run_comes_back_from_its_archive_row_for_row_and_state_for_state() -> None:
    run = rich_run()
    before, last = rows_of(run), state(run)
    archive = archive_run(actor=actor_of(run), run_id=run.pk)
    assert archive.n_rows == sum(map(len, before.values()))
    assert not any(rows_of(run).values())
    with pytest.raises(RunArchivedError, match="restore it first"):
        run_for(actor_of(run), run.pk)
    restored = restore_run(actor=actor_of(run), run_id=run.pk)
    assert rows_of(run) == before
    assert (state(restored), output(restored)) == (last, output(run))
    assert verify_run(restored).is_clean
    assert RunHold.objects.get(run=run).kind == "restored"
    assert run_for(actor_of(run), run.pk).archived_at is None


def test_a_deleted_run_comes_back_from_a_file_that_was_kept(tmp_path: Path) -> None:
    run = rich_run()
    before, last, path = rows_of(run), state(run), tmp_path / "run.aorun"
    export_run(run_id=run.pk, path=path)
    [gone] = delete_runs(run_ids=[run.pk], by="a test")
    assert (gone.key, gone.deleted_at is None, Run.objects.filter(pk=run.pk).exists()) == ("", False, False)
    Blob.objects.all().delete()
    out = StringIO()
    call_command("import_run", str(path), stdout=out)
    assert f"restored {run.pk} succeeded" in out.getvalue()
    run = Run.objects.get(pk=run.pk)
    assert (rows_of(run), state(run)) == (before, last)
    assert verify_run(run).is_clean
    with pytest.raises(CommandError, match="there is nothing to restore"):
        call_command("import_run", str(path))


def test_a_fork_survives_the_deletion_of_its_parent() -> None:
    run = rich_run()
    child = drive(fork(run, 1))
    delete_runs(run_ids=[run.pk], by="a test")
    child.refresh_from_db()
    assert child.forked_from_id is None
    assert verify_run(child).is_clean
    assert output(drive(fork(child, 1))) == output(child) == {"a.txt": "one!", "b.txt": "two" * 9000}


def test_what_is_archived_cannot_go_on_and_says_so() -> None:
    run = drive(a_run("test-misbehaves", {"how": "fails"}))
    archive_run(actor=actor_of(run), run_id=run.pk)
    with pytest.raises(RunArchivedError):
        retry_run(actor=actor_of(run), run_id=run.pk)
    with pytest.raises(RunArchivedError):
        fork(run, 0)
    with pytest.raises(RunArchivedError):
        archive_run(actor=actor_of(run), run_id=run.pk)
    run.refresh_from_db()
    assert run.status == "failed"


def test_an_open_run_and_a_held_one_are_not_archived() -> None:
    run = a_run("test-steps", {"n": 2})
    with pytest.raises(ConflictError, match="only runs that have ended"):
        archive_run(actor=actor_of(run), run_id=run.pk)
    run = drive(run)
    RunHold.objects.create(run=run, kind="legal", team_id=run.team_id, by="law")
    with pytest.raises(ConflictError, match="a legal hold"):
        archive_run(actor=actor_of(run), run_id=run.pk)
    assert delete_runs(run_ids=[run.pk], by="a test") == []
    assert Step.objects.filter(run=run).exists()


def damaged(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("at", [20, 600, -40, -1])
def test_a_flipped_bit_in_the_file_is_refused_and_nothing_is_restored(at: int, tmp_path: Path) -> None:
    run = drive(a_run("test-steps", {"n": 5}))
    path = tmp_path / "run.aorun"
    export_run(run_id=run.pk, path=path)
    delete_runs(run_ids=[run.pk], by="a test")
    damaged(path, at)
    with pytest.raises(BrokenArchiveError, match="does not fit"):
        import_run(path=path, by="a test")
    assert not Run.objects.filter(pk=run.pk).exists()


def test_a_run_whose_rows_were_altered_is_not_archived_but_flagged() -> None:
    run = drive(a_run("test-steps", {"n": 5}))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE runs_checkpoint SET body = body || ' '::bytea WHERE run_id = %s AND seq = 3", [run.pk]
        )
    with pytest.raises(Exception, match="fails its integrity check"):
        archive_run(actor=actor_of(run), run_id=run.pk)
    run.refresh_from_db()
    assert ("integrity_failed" in run.health, run.archived_at) == (True, None)
    assert not Archive.objects.exists()


def test_the_file_says_what_it_is_in_words() -> None:
    run = drive(a_run("test-steps", {"n": 2}))
    archive_run(actor=actor_of(run), run_id=run.pk)
    with file_for(actor_of(run), run.pk) as path:
        first, second, _ = path.read_bytes().split(b"\n", 2)
        assert first == b"AGENTOPS-RUN 1"
        assert b"manage.py import_run FILE" in second
        assert files.header_of(path)["title"] == run.title
        assert [name for name, _ in files.rows_in(path)].count("runs_step") == 2


def test_every_table_with_a_run_in_it_has_a_place() -> None:
    """A new one must say whether its rows move into the archive, are left behind, or stay."""
    known = {tables.table(model) for model in tables.MOVED} | set(tables.LEFT) | set(tables.STAYING)
    of_runs = {
        model._meta.db_table
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is Run and model is not Run
    }
    assert of_runs == known


def test_a_file_that_is_gone_is_told_and_the_run_is_left_as_it_is() -> None:
    run = drive(a_run("test-steps", {"n": 2}))
    archive = archive_run(actor=actor_of(run), run_id=run.pk)
    place_in_force().delete(archive.key)
    with pytest.raises(BrokenArchiveError, match="not in the folder"):
        restore_run(actor=actor_of(run), run_id=run.pk)
    run.refresh_from_db()
    assert run.archived_at
