"""`manage.py demo_data`: much data, made by real runs."""

import io

import pytest
from django.core.management import CommandError, call_command

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
