"""The run page: vitals, notes, inspector, tabs, and the regions that htmx fetches."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from agentops.accounts.models import User
from agentops.accounts.roles import Role
from runs.models import AgentVersion, Attempt, Checkpoint, Outcome, Run, Step
from tests.ui import builders, stories
from tests.ui.builders import Action, RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, html, one, row_named, vital, words

pytestmark = pytest.mark.django_db


def note(see: See, run: Run) -> str:
    return words(one(see(f"/runs/{run.id}"), "#run-head .note"))


def test_the_head_answers_the_six_questions(see: See, version: AgentVersion) -> None:
    shown = see(f"/runs/{stories.a_crawl(version, finish='running', seconds_ago=600.0).id}")
    assert words(one(shown, "h1")) == "Weekly docs review"
    assert words(shown.select("#run-head .title .chip")[0]) == "Running"
    assert vital(shown, "Now").startswith("read step 117 https://docs.example.org/")
    assert vital(shown, "Waits for") == "nothing"
    assert vital(shown, "Progress") == "57 of 114"
    assert vital(shown, "Spent") == "118 steps"
    assert re.fullmatch(r"10 min 10 m \d\d s since it began", vital(shown, "Age"))
    assert vital(shown, "Trouble") == "2 retries"


def test_a_run_that_cost_money_says_how_much(see: See, version: AgentVersion) -> None:
    assert vital(see(f"/runs/{stories.a_crawl(version, n_pages=9).id}"), "Spent") == "$1.49 27 steps"


def test_a_failed_run_is_explained_and_opened_where_it_failed(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed", n_pages=9)
    shown = see(f"/runs/{run.id}")
    told = words(one(shown, "#run-head .note"))
    assert told.startswith("It failed at draft: the summary has no sentence about 'asyncio'")
    assert "retry it: it goes on at this node" in told
    assert words(one(shown, "#inspector-title")) == "draft"
    assert words(one(shown, "#inspector .fail b")).startswith("the summary has no sentence")
    assert "httpx.ReadTimeout" in words(one(shown, "#inspector .fail details"))
    assert [words(item)[:2] for item in shown.select("#inspector .tries li")] == ["1.", "2.", "3."]
    assert row_named(shown, "draft")["aria-selected"] == "true"


def test_a_sleeping_run_says_until_when_and_where_it_goes_on(see: See, version: AgentVersion) -> None:
    builders.living_system()
    told = note(see, stories.a_crawl(version, finish="sleeping", n_pages=9))
    assert told.startswith("It sleeps, then goes on at draft. Nothing runs meanwhile")


def test_a_run_that_retries_says_why_and_when(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version, seconds_ago=60)
    stories.read_page(b, 1)
    waiting_on = {"kind": "retry", "seq": b.seq + 1, "text": "attempt 2"}
    run = b.save(status="sleeping", health=["retrying"], node="read", node_attempt=2, wake_at=b.now + timedelta(seconds=40), waiting_on=waiting_on)  # fmt: skip
    Attempt.objects.create(run=run, seq=run.node_seq, number=1, team_id=run.team_id, error_code="busy", message="the site is busy", started_at=b.now)  # fmt: skip
    builders.living_system()
    assert note(see, run).startswith(
        "An attempt at read failed. the site is busy. The next attempt is due at"
    )
    assert "the site is busy" in words(one(see(f"/runs/{run.id}"), "#inspector .tries"))


def test_a_queued_run_that_nobody_serves_says_how_to_start_a_worker(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="queued", queue="gpu")
    builders.living_system()
    assert note(see, run) == "No worker serves the queue “gpu”. Start one: celery -A agentops worker -Q gpu"


def test_a_late_clock_is_told_to_those_who_sleep(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="sleeping", n_pages=3)
    assert "The clock is late" in words(see(f"/runs/{run.id}").select("#run-head .note")[1])


def test_a_cancel_under_way_and_a_cancelled_run_say_who_and_why(see: See, version: AgentVersion) -> None:
    running = RunBuilder(version).save(status="running", control="cancel", ended_by="bea")
    shown = see(f"/runs/{running.id}")
    assert words(shown.select("#run-head .title .chip")[0]) == "Cancelling"
    assert words(shown.select("#run-head .note")[0]).startswith("bea asked to cancel it.")
    ended = RunBuilder(version).save(status="cancelled", ended_by="bea", end_reason="wrong site")
    assert note(see, ended) == "Cancelled by bea. wrong site"


def test_failed_integrity_stands_first(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="paused", health=["integrity_failed"])
    assert words(see(f"/runs/{run.id}").select(".note")[0]).startswith("Stored data is not what was written.")


def test_the_inspector_shows_what_the_step_changed(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=9)
    seq = Step.objects.get(run=run, name="publish").seq
    lines = [words(line) for line in see(f"/runs/{run.id}/steps/{seq}").select("#inspector .diff > div")]
    assert lines == [
        "/report", '− "status": "draft"', '+ "status": "ready"', '+ "sha256": "c1d077ef"',
        '+ "path": "/weekly/2026-47.html"', "/messages · 2 added", '+ "The report cites 113 of 114 pages;"',
        '+ "legacy.html was skipped after 3 timeouts."',
    ]  # fmt: skip


def test_the_changes_of_a_very_long_run_are_fetched_apart(see: See, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 3200)
    apart = one(see(f"/runs/{run.id}/steps/3001"), "#inspector [hx-trigger=load]")
    assert [words(line) for line in see(apart["hx-get"]).select(".diff > div")] == [
        "/", '− "done": 1499', '+ "done": 1500',
    ]  # fmt: skip


def test_the_inspector_of_a_write_shows_its_key_and_effect(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=9)
    seq = Step.objects.get(run=run, name="report.publish").seq
    shown = words(one(see(f"/runs/{run.id}/steps/{seq}"), "#inspector"))
    assert f"Key idem_{run.id.hex}" in shown
    assert "Effect write writes once, under its key" in shown
    assert "path: /weekly/2026-47.html" in shown
    assert "etag: a91f" in shown


def test_a_long_value_is_previewed_and_all_of_it_can_be_had(
    see: See, ada: Client, version: AgentVersion
) -> None:
    run = stories.a_crawl(version, n_pages=9)
    seq = Step.objects.get(run=run, name="text.summarise").seq
    section = one(see(f"/runs/{run.id}/steps/{seq}"), f"#output{seq}")
    assert len(str(section)) < 3000
    link = one(section, "h2 a")
    assert words(link) == "show all 32 KB"
    assert len(words(see(link["hx-get"]))) > 31_000
    whole = ada.get(attribute(link, "href"))
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert len(whole.json()["text"]) == 31_500


def test_parts_of_a_large_state_are_fetched_when_they_are_opened(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version)
    lazy = next(d for d in see(f"/runs/{run.id}/state").select("details[hx-get]") if "pages" in words(d))
    items = see(lazy["hx-get"])
    assert "status: 200, title: asyncio — page 0" in words(items)
    more = see(items.select("a[hx-get]")[-1]["hx-get"])
    assert "113" in words(more)
    assert see(f"/runs/{run.id}/json?of=state:{run.head_seq}&at=/nowhere", status=404)


def test_a_forged_result_is_not_shown(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    seq = b.node("read", actions=[Action(output={"answer": "genuine"})])
    run = b.save()
    Outcome.objects.filter(run=run).update(body=b'{"answer":"forged"}')
    shown = one(see(f"/runs/{run.id}/steps/{seq + 1}"), "#inspector")
    assert "The stored result is not what was written." in words(shown)
    assert "forged" not in words(shown)


@pytest.mark.parametrize("tab", ["", "/tree", "/log", "/state", "/output"])
@pytest.mark.parametrize("finish", ["succeeded", "failed", "running", "sleeping"])
def test_every_tab_shows_every_kind_of_run(see: See, version: AgentVersion, tab: str, finish: str) -> None:
    run = stories.a_crawl(version, finish=finish, n_pages=8)
    shown = see(f"/runs/{run.id}{tab}")
    assert len(shown.select(".tabs [aria-current]")) == 1
    fragment = see(f"/runs/{run.id}{tab}", target="run-head")
    assert html(one(fragment, "#run-head")) == html(one(shown, "#run-head"))
    assert words(one(fragment, "#system[hx-swap-oob=true]")) == words(one(shown, "#system"))


def test_the_inspector_as_a_fragment_is_the_region_of_the_page(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=9)
    address = f"/runs/{run.id}/steps/4"
    assert html(see(address, target="inspector")) == html(one(see(address), "#inspector"))


def test_the_state_can_be_walked_from_checkpoint_to_checkpoint(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=3)
    last = see(f"/runs/{run.id}/state")
    assert "Verified" in words(one(last, "section.panel .bar"))
    assert run.head_hash.hex()[:12] in words(last)
    before = see(f"/runs/{run.id}/state{one(last, 'a[rel=prev]')['href']}")
    assert "rest" in words(one(before, "section.panel .bar"))
    first = see(f"/runs/{run.id}/state?seq=0")
    assert "the input, before the first step" in words(first)
    assert one(first, "a[rel=next]")["href"] == "?seq=1"
    assert "left no checkpoint" in words(see(f"/runs/{run.id}/state?seq=2"))
    assert see(f"/runs/{run.id}/state?seq=999999", status=404)


def test_a_tampered_state_is_not_shown(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=3)
    Checkpoint.objects.filter(run=run, seq=3).update(body=b'[["set","/todo",["forged"]]]', codec=0)
    shown = words(see(f"/runs/{run.id}/state"))
    assert "cannot be trusted" in shown
    assert "forged" not in shown


def test_the_log_is_shown_by_level_and_with_its_step(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed", n_pages=3)
    lines = [words(line) for line in see(f"/runs/{run.id}/log").select(".log li")]
    assert lines[0].endswith("info 1 plan sitemap read")
    assert [line.rsplit(" ", 2)[-2:] for line in lines][-1] == ["giving", "up"]
    only = [words(line) for line in see(f"/runs/{run.id}/log?level=error").select(".log li")]
    assert len(only) == 1


def test_a_long_log_comes_in_pages_that_miss_nothing(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    for n in range(5):
        b.node("talk", logs=[("info", f"line {n}.{i}.") for i in range(90)])
    part, seen = see(f"/runs/{b.save().id}/log"), list[str]()
    while True:
        seen += [words(message) for message in part.select(".msg")]
        more = part.select("#log-more")
        if not more:
            break
        part = see(more[0]["hx-get"], target="log-more")
    assert seen == [f"line {n}.{i}." for n in range(5) for i in range(90)]


def test_a_report_is_rendered(see: See, version: AgentVersion) -> None:
    report = one(see(f"/runs/{stories.a_crawl(version, n_pages=9).id}/output"), ".prose")
    assert words(one(report, "h1")) == "Docs review, week 47"
    assert len(report.select("table tr")) == 3
    link = report.select("a")[0]
    assert link["href"] == "https://docs.example.org/asyncio.0.html"
    assert set(link["rel"]) == {"noopener", "noreferrer", "nofollow"}


def test_cancelling_asks_for_a_reason_and_does_it(see: See, ada: Client, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="queued")
    assert one(see(f"/runs/{run.id}/do/cancel"), "form[method=post] #cancel-reason")
    assert ada.post(f"/runs/{run.id}/do/cancel", {"reason": "wrong site"}).status_code == 302
    run.refresh_from_db()
    assert (run.status, run.end_reason) == ("cancelled", "wrong site")


def test_cancelling_too_late_says_so(ada: Client, version: AgentVersion) -> None:
    run = RunBuilder(version).save()
    response = ada.post(f"/runs/{run.id}/do/cancel", {"reason": ""})
    assert response.status_code == 409
    assert "cannot be cancelled any more" in response.content.decode()


def test_a_viewer_sees_a_run_but_no_buttons(
    browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    run = RunBuilder(version).save(status="queued")
    viewer = browser_of(Role.VIEWER)
    shown = viewer.get(f"/runs/{run.id}").content.decode()
    assert "/do/" not in shown
    assert "Start again" not in shown
    assert viewer.post(f"/runs/{run.id}/do/cancel").status_code == 403


def test_times_are_told_in_the_persons_zone(see: See, ada: Client, version: AgentVersion) -> None:
    User.objects.update(time_zone="Asia/Tokyo")
    shown = see(f"/runs/{stories.a_crawl(version, n_pages=9).id}")
    assert attribute(one(shown, "#inspector header time"), "title").endswith("JST")
    assert "Asia/Tokyo" in words(one(shown, ".me"))


def test_attempts_say_what_differs_from_the_one_before(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    tries = [
        ("busy", "host a.example is busy"),
        ("busy", "host a.example is busy"),
        ("busy", "host b.example is busy"),
    ]
    seq = b.node("read", attempts=4, tries=tries)
    shown = one(see(f"/runs/{b.save().id}/steps/{seq}"), "#inspector .tries")
    first, second, third = shown.select("li")
    assert "host a.example is busy" in words(first)
    assert "the same again" in words(second)
    assert [words(mark) for mark in third.select("mark")] == ["b"]
