"""`manage.py create_token`, `start_run`, `runs`, `prune`, `reindex` and `preflight`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from runs.models import Run, RunText
from runs.services.advance import advance
from runs.services.kill_run import kill_run
from tests.personas import World, actor
from tests.runs import a_run, a_worker, claim, drive

pytestmark = pytest.mark.django_db


def said(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def test_a_token_made_by_the_command_works(world: World) -> None:
    secret = said("create_token", "ada", "--scopes", "read", "run", "--days", "1").strip()
    assert Client().get("/api/v1/runs", headers={"authorization": f"Bearer {secret}"}).status_code == 200


def test_a_token_for_a_member_of_two_teams_needs_the_team(world: World) -> None:
    with pytest.raises(CommandError, match="analytical, brook"):
        said("create_token", "cyd")
    assert said("create_token", "cyd", "--team", "brook").startswith("ao_")
    with pytest.raises(CommandError, match="viewer"):
        said("create_token", "cyd", "--team", "analytical", "--scopes", "run")


def test_a_run_is_started_and_listed(world: World) -> None:
    line = said("start_run", "test-steps", "--input", '{"n": 2}', "--user", "ada", "--tag", "x", "--key", "k")
    run = Run.objects.get()
    assert line.startswith(f"{run.id} started")
    assert "was started before" in said(
        "start_run", "test-steps", "--input", '{"n": 2}', "--user", "ada", "--tag", "x", "--key", "k"
    )
    drive(run)
    assert str(run.id) in said("runs", "status:succeeded", "--user", "ada@example.org")
    assert said("runs", "--user", "bea") == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("start_run", "test-step", "--user", "ada"), "did you mean test-steps"),
        (("start_run", "test-steps", "--user", "ada", "--input", "{"), "--input is not JSON"),
        (
            ("start_run", "test-steps", "--user", "ada", "--input", '{"n": 0}'),
            "/n: 0 is less than the minimum of 1",
        ),
        (("start_run", "test-steps"), "name a person"),
        (("runs", "colour:red", "--user", "ada"), "unknown key `colour`"),
    ],
)
def test_a_mistake_is_explained(world: World, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence.replace("(", r"\(")):
        said(*words)


@pytest.mark.django_db(transaction=True)
def test_following_shows_the_steps_and_fails_with_the_run(world: World) -> None:
    def work(*, n_runs: int) -> None:
        while Run.objects.count() < n_runs:
            pass
        drive(Run.objects.latest("created_at"))
        connection.close()

    worker = Thread(target=work, kwargs={"n_runs": 1})
    worker.start()
    shown = said("start_run", "test-steps", "--input", '{"n": 2}', "--user", "ada", "--follow")
    worker.join()
    assert shown.splitlines()[1:] == [
        "     1  succeeded  step",
        "     2  succeeded  step",
        "succeeded after 2 steps",
    ]
    worker = Thread(target=work, kwargs={"n_runs": 2})
    worker.start()
    with pytest.raises(CommandError, match="gave up"):
        said("start_run", "test-misbehaves", "--input", '{"how": "fails"}', "--user", "ada", "--follow")
    worker.join()


@pytest.mark.django_db(transaction=True)
def test_following_says_that_somebody_is_waited_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        while not Run.objects.exists():
            pass
        run = Run.objects.get()
        advance(claim(a_worker()))
        told = ""
        while "awaiting_approval" not in told:
            told += capsys.readouterr().out
        assert f"somebody has to answer, at /runs/{run.id}" in told
        kill_run(actor=actor(world.ada), run_id=run.id, reason="enough")
        connection.close()

    with ThreadPoolExecutor(1) as worker:
        done = worker.submit(work)
        with pytest.raises(CommandError, match="enough"):
            call_command(
                "start_run", "test-asks", "--input", '{"question": "Who?"}', "--user", "ada", "--follow"
            )
        done.result()


def test_what_is_due_is_told_without_being_done_and_done_when_asked(world: World) -> None:
    assert said("prune", "--dry-run", "--user", "ada").splitlines() == ["nothing was changed"]
    assert said("prune", "--user", "ada").startswith("done: 0 archived, 0 deleted")
    with pytest.raises(CommandError, match="lacks the scope 'admin'"):
        said("prune", "--user", "cyd", "--team", "analytical")


@pytest.mark.django_db(transaction=True)
def test_reading_anew_finds_what_ended_long_ago(world: World) -> None:
    run = drive(a_run("test-calls", {"tool": "no.such"}))
    assert run.status == "failed"
    Run.objects.filter(pk=run.pk).update(ended_at=Now() - timedelta(days=90))
    said("reindex", "--days", "30")
    assert not RunText.objects.filter(run=run).exists()
    assert said("reindex").splitlines()[-1] == "done: 1 runs read"
    assert RunText.objects.filter(run=run).exists()


def test_an_installation_that_is_not_fit_for_production_is_refused_with_reasons(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_KEY", "AGENTOPS_INTEGRITY_KEY"):
        monkeypatch.setenv(name, name * 4)
        setattr(settings, name.removeprefix("AGENTOPS_"), name * 4)
    settings.DEBUG, settings.IS_SECURE, settings.ALLOWED_HOSTS = True, True, ["*"]
    told = refused_by_preflight()
    assert any("DEBUG is on" in line for line in told)
    assert any("ALLOWED_HOSTS takes any name" in line for line in told)
    settings.DEBUG, settings.ALLOWED_HOSTS = False, ["agents.example.org"]
    assert not any("DEBUG" in line or "ALLOWED_HOSTS" in line for line in refused_by_preflight())
    monkeypatch.delenv("SECRET_KEY")
    assert any("SECRET_KEY is not set" in line for line in refused_by_preflight())


def refused_by_preflight() -> list[str]:
    """Return what it says must be mended; the tests' own PostgreSQL runs without fsync, so there is always something."""
    out = StringIO()
    with pytest.raises(CommandError, match="not fit for production"):
        call_command("preflight", stdout=out)
    return [line for line in out.getvalue().splitlines() if line.startswith("must")]
