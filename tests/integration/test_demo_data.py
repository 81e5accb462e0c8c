"""`manage.py demo_data`: much data, made by real runs."""

import io

import pytest
from django.core.management import CommandError, call_command

from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.models import Run, Step
from tests.runs import drive, output

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _team() -> None:
    call_command("bootstrap_demo", "--bare", stdout=io.StringIO())


def test_it_starts_runs_that_take_the_steps_asked_for_and_fails_some() -> None:
    printed = io.StringIO()
    call_command("demo_data", "--runs", "10", "--steps", "4", stdout=printed)
    runs = [drive(run) for run in Run.objects.order_by("id")]

    assert printed.getvalue() == "started 10 runs of 4 steps, batch demo-data\n"
    assert [run.status for run in runs] == ["succeeded"] * 9 + ["failed"]
    assert output(runs[0]) == {"steps": 4}
    assert (runs[0].title, runs[0].batch_id) == ("4 steps", "demo-data")
    assert Step.objects.filter(run=runs[0], kind="node").count() == 4
    assert runs[9].error["code"] == "as_asked_for"


def test_a_number_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(CommandError, match="steps"):
        call_command("demo_data", "--runs", "1", "--steps", "0", stdout=io.StringIO())


@pytest.mark.parametrize("shape", ["loop", "wide", "mixed", "heavy"])
def test_inserted_runs_are_whole_and_verified(shape: str) -> None:
    printed = io.StringIO()
    call_command("demo_data", "--runs", "1", "--steps", "1200", "--shape", shape, stdout=printed)
    run = Run.objects.get()
    assert printed.getvalue().startswith(f"inserted {run.pk}: ")
    assert 1190 <= run.n_steps == Step.objects.filter(run=run).count() <= 1200
    assert verify_run(run).failures == []
    assert rebuild(run).seq == run.head_seq
    assert Step.objects.filter(run=run, status="failed").count() == run.n_failed_steps
    assert output(run) == {"steps": run.n_steps}


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(CommandError, match="shape"):
        call_command("demo_data", "--runs", "1", "--steps", "10", "--shape", "round", stdout=io.StringIO())
