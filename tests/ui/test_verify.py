"""The check of a whole run, and what the page says when stored rows are not what was written."""

from collections.abc import Callable

import pytest
from django.test import Client

from agentops.accounts.roles import Role
from runs.models import AgentVersion, Checkpoint, ClockBeat, Run
from runs.selectors import verdicts
from runs.services.flag_integrity import flag_integrity
from tests.ui import builders, stories
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def a_broken_run(version: AgentVersion, finish: str = "running") -> Run:
    run = stories.a_crawl(version, finish=finish, n_pages=6, seconds_ago=60.0)
    Checkpoint.objects.filter(run=run, seq=3).update(body=b"[]", codec=0)
    return run


def test_the_state_tab_checks_every_row_on_request(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=6)
    button = one(see(f"/runs/{run.id}/state"), "#check-all")
    told = see(attribute(button, "hx-get"), target="verdict")
    assert "The chain holds." in words(one(told, "#verdict"))
    assert "rows checked" in words(told)
    assert told.select("h1") == []
    assert one(see(attribute(button, "href")), "h1")


def test_a_broken_chain_names_its_rows_and_the_last_good_state(see: See, version: AgentVersion) -> None:
    run = a_broken_run(version)
    told = see(f"/runs/{run.id}/verify", target="verdict")
    assert "The chain is broken" in words(told)
    assert "the checkpoint at step 3" in words(told)
    assert attribute(one(told, ".dim a"), "href") == f"/runs/{run.id}/state?seq=1"
    assert see(f"/runs/{run.id}/state?seq=1").select(".chip.good")


def test_a_broken_run_is_stopped_and_says_what_to_do(see: See, ada: Client, version: AgentVersion) -> None:
    run = a_broken_run(version)
    assert ada.post(f"/runs/{run.id}/verify").status_code == 302
    run.refresh_from_db()
    assert (run.status, run.health) == ("paused", ["integrity_failed"])
    head = one(see(f"/runs/{run.id}"), "#run-head")
    assert "Integrity failed" in words(one(head, ".title"))
    note = words(one(head, ".note"))
    assert "What fails: the checkpoint at step 3" in note
    assert "a fork from there goes on with good data" in note
    assert one(head, f"a[href='/runs/{run.id}/fork?from=1']")
    assert see(f"/runs/{run.id}/verify", target="verdict").select("form") == []


def test_checking_a_sound_run_by_post_changes_nothing(ada: Client, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="running", n_pages=6, seconds_ago=60.0)
    assert ada.post(f"/runs/{run.id}/verify").status_code == 302
    run.refresh_from_db()
    assert (run.status, run.health) == ("running", [])


def test_a_viewer_may_look_and_not_stop(browser_of: Callable[[Role], Client], version: AgentVersion) -> None:
    run, viewer = a_broken_run(version), browser_of(Role.VIEWER)
    shown = viewer.get(f"/runs/{run.id}/verify").content.decode()
    assert "The chain is broken" in shown
    assert "Stop and flag" not in shown
    assert viewer.post(f"/runs/{run.id}/verify").status_code == 403


def test_a_very_long_run_is_left_to_the_command(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MAX_ROWS", 5)
    run = stories.a_crawl(version, n_pages=6)
    assert f"manage.py verify_chain {run.id}" in words(see(f"/runs/{run.id}/verify"))


def test_a_forged_state_offers_the_last_good_one(see: See, version: AgentVersion) -> None:
    run = a_broken_run(version)
    link = see(f"/runs/{run.id}/state").select("[role=alert] a")[0]
    assert words(link) == "Show the last good state"
    assert see(attribute(link, "href")).select(".chip.good")
    flag_integrity(run_id=run.pk, text="the checkpoint fails", last_good_seq=0)
    assert "The last good checkpoint is the input" in words(one(see(f"/runs/{run.id}"), "#run-head .note"))


def test_agent_files_that_cannot_be_loaded_are_told_to_those_who_run(
    see: See, browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    builders.living_system()
    ClockBeat.objects.update(problems={"mine.py": "SyntaxError: invalid syntax (mine.py, line 3)"})
    note = words(one(see("/agents"), ".note"))
    assert "mine.py" in note
    assert "invalid syntax" in note
    assert "mine.py" not in browser_of(Role.VIEWER).get("/agents").content.decode()
    ClockBeat.objects.update(beat_at="2026-01-01T00:00:00Z")
    assert see("/agents").select(".note") == []
