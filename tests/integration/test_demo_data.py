"""`manage.py demo_data`: much data, made by real runs."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.models import Run, Step, StuckKind, StuckState
from runs.selectors import run_list_for
from runs.services.resume_run import resume_run
from runs.services.watch_runs import look_at
from tests.demo import a_site
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


def test_a_tree_of_two_hundred_levels_is_whole() -> None:
    call_command("demo_data", "--runs", "1", "--steps", "800", "--shape", "deep", stdout=io.StringIO())
    runs = list(Run.objects.order_by("depth"))
    assert [run.depth for run in runs] == list(range(200))
    assert {run.root_id for run in runs} == {runs[0].pk}
    for above, below in pairwise(runs):
        step = Step.objects.get(run=above, kind="child_run")
        assert (below.parent_id, below.parent_seq) == (above.pk, step.seq)
    assert verify_run(runs[0]).failures == verify_run(runs[-1]).failures == []


def test_past_episodes_are_found_and_those_that_are_held_up_go_on(settings: Any, tmp_path: Path) -> None:
    printed = io.StringIO()
    call_command("demo_data", "--stuck-days", "5", stdout=printed)
    runs = list(Run.objects.order_by("id"))
    actor = Actor(runs[0].team_id, None, "Ada", frozenset(Scope))
    assert printed.getvalue() == f"inserted {len(runs)} runs that got stuck in the last 5 days\n"
    assert [verify_run(run).failures for run in runs] == [[] for _ in runs]
    yesterday = {run.status for run in run_list_for(actor, text="stuck(node:login at:yesterday)").items}
    assert "succeeded" in yesterday
    kinds = {(it.reason, it.node): it for it in StuckKind.objects.all()}
    assert {key: (it.state, bool(it.note)) for key, it in kinds.items()} == {
        ("looping", "login"): ("open", False), ("stuck", "file"): ("resolved", True),
    }  # fmt: skip
    held_up = [run for run in runs if run.status == "paused"]
    look_at([run.pk for run in held_up])
    assert StuckState.objects.filter(run__in=held_up, to_at=None).count() == len(held_up) == 2
    with a_site(ledger=tmp_path / "ledger.jsonl") as site:
        settings.DEMO_SITE_URL = site.url + "/"
        run = resume_run(actor=actor, run_id=held_up[0].pk)
        assert (drive(run).status, output(run)["tries"]) == ("succeeded", 25)
    assert verify_run(run).failures == []


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(CommandError, match="shape"):
        call_command("demo_data", "--runs", "1", "--steps", "10", "--shape", "round", stdout=io.StringIO())
