"""Whatever is changed, moved or taken away behind the product's back is named."""

import importlib
import random
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.codec import Codec
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.models import Blob, Outcome, Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from tests import ledger
from tests.runs import a_run, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db


def flipped(column: str) -> str:
    return f"{column} = set_byte({column}, 0, get_byte({column}, 0) # 1)"


@pytest.fixture
def finished() -> Run:
    ledger.create()
    return drive(a_run("test-effects", {"run": "r", "n": 60}))


def sql(statement: str, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)


def test_an_untouched_run_is_clean(finished: Run) -> None:
    verdict = verify_run(finished)
    assert (verdict.is_clean, verdict.n_rows) == (True, 60 + 1 + 120 + 1)


@pytest.mark.parametrize("column", ["body", "hash"])
@pytest.mark.parametrize("kind", ["d", "g"])
def test_a_flipped_bit_in_a_checkpoint_is_named(finished: Run, kind: str, column: str) -> None:
    seq = 148
    assert sql(
        f"UPDATE runs_checkpoint SET {flipped(column)} WHERE run_id = %s AND kind = %s AND seq = %s",
        finished.pk,
        kind,
        seq,
    )
    assert any(f"at step {seq}" in failure for failure in verify_run(finished).failures)


@pytest.mark.parametrize("column", ["body", "mac", "request_hash"])
def test_a_flipped_bit_in_an_outcome_is_named(finished: Run, column: str) -> None:
    assert sql(f"UPDATE runs_outcome SET {flipped(column)} WHERE run_id = %s AND seq = 8", finished.pk)
    assert "the outcome" in verify_run(finished).failures[0]


@pytest.mark.parametrize("column", ["input", "head_hash"])
def test_a_flipped_bit_in_the_run_row_is_named(finished: Run, column: str) -> None:
    assert sql(f"UPDATE runs_run SET {flipped(column)} WHERE id = %s", finished.pk)
    finished.refresh_from_db()
    assert verify_run(finished).failures


@pytest.mark.parametrize("change", [flipped("output"), "output_codec = output_codec # 1", "end_mac = NULL"])
def test_a_changed_output_is_named(finished: Run, change: str) -> None:
    assert sql(f"UPDATE runs_run SET {change} WHERE id = %s", finished.pk)
    finished.refresh_from_db()
    assert verify_run(finished).failures == [
        f"the output of run {finished.pk} at step 178 fails its integrity check"
    ]


@pytest.mark.parametrize(
    "change", ["""error = jsonb_set(error, '{message}', '"all is well"')""", "end_mac = NULL", "error = NULL"]
)
def test_a_changed_error_is_named(change: str) -> None:
    run = drive(a_run("test-misbehaves", {"how": "fails"}))
    assert verify_run(run).is_clean
    assert sql(f"UPDATE runs_run SET {change} WHERE id = %s", run.pk)
    run.refresh_from_db()
    assert verify_run(run).failures == [f"the error of run {run.pk} at step 0 fails its integrity check"]


def test_the_end_of_another_run_is_named(finished: Run) -> None:
    other = drive(a_run("test-effects", {"run": "s", "n": 2}))
    assert sql(
        "UPDATE runs_run r SET output = o.output, output_codec = o.output_codec, end_mac = o.end_mac"
        " FROM runs_run o WHERE o.id = %s AND r.id = %s",
        finished.pk,
        other.pk,
    )
    other.refresh_from_db()
    assert verify_run(other).failures


def test_the_ends_of_runs_that_were_over_before_are_sealed(finished: Run) -> None:
    sealing = importlib.import_module("runs.migrations.0010_end_mac")
    failed = drive(a_run("test-misbehaves", {"how": "fails"}))
    assert sql("UPDATE runs_run SET end_mac = NULL") == 2
    sealing.seal(apps, None)
    for run in (finished, failed):
        run.refresh_from_db()
        assert verify_run(run).is_clean


def test_two_swapped_checkpoints_are_named(finished: Run) -> None:
    for old, new in ((1, -1), (4, 1), (-1, 4)):
        assert sql(
            "UPDATE runs_checkpoint SET seq = %s WHERE run_id = %s AND kind = 'd' AND seq = %s",
            new,
            finished.pk,
            old,
        )
    assert verify_run(finished).last_good_seq == 0


@pytest.mark.parametrize("table", ["runs_checkpoint", "runs_outcome"])
def test_a_row_taken_from_another_run_is_named(finished: Run, table: str) -> None:
    other = drive(a_run("test-effects", {"run": "r", "n": 2}))
    seq, extra = (4, "AND kind = 'd'") if table == "runs_checkpoint" else (5, "")
    assert sql(f"DELETE FROM {table} WHERE run_id = %s AND seq = %s {extra}", other.pk, seq)
    assert sql(
        f"UPDATE {table} SET run_id = %s WHERE run_id = %s AND seq = %s {extra}", other.pk, finished.pk, seq
    )
    assert verify_run(other).failures


@pytest.mark.parametrize("table", ["runs_checkpoint", "runs_outcome"])
def test_the_last_row_taken_away_is_missed(finished: Run, table: str) -> None:
    assert sql(
        f"DELETE FROM {table} WHERE run_id = %s AND seq = (SELECT max(seq) FROM {table} WHERE run_id = %s)",
        finished.pk,
        finished.pk,
    )
    assert verify_run(finished).failures


def test_a_rebuild_refuses_a_changed_row(finished: Run) -> None:
    sql(
        f"UPDATE runs_checkpoint SET {flipped('body')} WHERE run_id = %s AND kind = 'd' AND seq = 157",
        finished.pk,
    )
    with pytest.raises(IntegrityError, match="at step 157"):
        rebuild(finished, 160)
    assert rebuild(finished, 154).seq == 154


def test_a_run_with_a_broken_chain_stops_and_says_so() -> None:
    ledger.create()
    run, worker_id = a_run("test-naps", {"run": "r", "seconds": 3600}), a_worker()
    with override_settings(AGENTOPS={"state_cache_runs": 0}):
        advance(claim(worker_id))
    sql(f"UPDATE runs_run SET {flipped('input')}, status = 'queued' WHERE id = %s", run.pk)
    with override_settings(AGENTOPS={"state_cache_runs": 0}):
        advance(claim(worker_id))
    run.refresh_from_db()
    assert run.status == "paused"
    assert run.waiting_on["kind"] == "integrity_failed"
    assert run.health == ["integrity_failed"]


def test_the_command_names_the_run_and_its_last_good_checkpoint(finished: Run) -> None:
    clean = StringIO()
    call_command("verify_chain", stdout=clean)
    assert "1 runs, 182 rows checked, 0 runs fail" in clean.getvalue()
    sql(
        f"UPDATE runs_checkpoint SET {flipped('body')} WHERE run_id = %s AND kind = 'd' AND seq = 10",
        finished.pk,
    )
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_chain", str(finished.pk), stdout=out)
    assert "the checkpoint of run" in out.getvalue()
    assert "the last good checkpoint is 7" in out.getvalue()
    finished.refresh_from_db()
    assert (finished.status, finished.health) == ("succeeded", ["integrity_failed"])


@pytest.fixture
def large() -> Run:
    noise = random.Random(1).randbytes(150_000).hex()
    return drive(a_run("test-calls", {"tool": "test.echo", "args": {"value": noise}}))


def test_a_large_value_stands_once_however_many_rows_refer_to_it(large: Run) -> None:
    noise = output(large)["result"]
    drive(a_run("test-calls", {"tool": "test.echo", "args": {"value": noise}}))
    assert Blob.objects.filter(team_id=large.team_id).count() == 3
    assert Outcome.objects.get(run=large).body_codec == Codec.BLOB
    assert verify_run(large).is_clean
    assert len(noise) == 300_000


def test_a_changed_or_missing_large_value_is_named(large: Run) -> None:
    digest = bytes(Outcome.objects.get(run=large).body or b"")
    sql(f"UPDATE runs_blob SET {flipped('body')} WHERE digest = %s", digest)
    assert "the outcome" in verify_run(large).failures[0]
    sql("DELETE FROM runs_blob WHERE digest = %s", digest)
    assert "the outcome" in verify_run(large).failures[0]


def test_an_outcome_that_is_made_to_look_otherwise_is_named(finished: Run) -> None:
    assert sql("UPDATE runs_step SET status = 'failed' WHERE run_id = %s AND seq = 8", finished.pk)
    assert "the outcome" in verify_run(finished).failures[0]
    sql("UPDATE runs_step SET status = 'succeeded' WHERE run_id = %s AND seq = 8", finished.pk)
    sql(
        """UPDATE runs_outcome SET riders = '["2001-01-01T00:00:00Z"]' WHERE run_id = %s AND seq = 9""",
        finished.pk,
    )
    assert "the outcome" in verify_run(finished).failures[0]


def test_a_killed_run_is_clean_though_its_open_steps_have_no_outcome() -> None:
    ledger.create()
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    cancel_run(actor=Actor(run.team_id, None, "Ada", frozenset(Scope)), run_id=run.pk)
    run.refresh_from_db()
    assert verify_run(run).failures == []
