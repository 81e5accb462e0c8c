"""The run told in plain words, its raw lines, and what is taken away of it."""

import json

import pytest
from django.test import Client

from runs.models import AgentVersion, Branch, Wait
from runs.selectors.console import material, tree
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def beats(page: object) -> list[str]:
    return [words(beat.select_one("div")) for beat in page.select(".story li")]  # type: ignore[attr-defined]


def test_a_run_is_told_in_the_order_of_time(see: See, version: AgentVersion) -> None:
    told = beats(see(f"/runs/{stories.a_crawl(version).id}/story"))
    assert told[0] == "Started by ada Weekly docs review"
    assert told[1].startswith("plan 1.8 s 114 pages found")
    assert told[2] == "read 2 m 40 s 114 times, in 1 of them something failed, 4 went well at a later try"
    assert told[3] == "http.get: Failed https://docs.example.org/contextlib.61.html · http_timeout"
    assert told[4] == "Nothing ran 41 h 10 m"
    assert told[-1] == "Succeeded"


def test_a_failed_run_ends_with_why(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed")
    page = see(f"/runs/{run.id}/story")
    assert beats(page)[-1].startswith("Failed the summary has no sentence about 'asyncio'")
    assert attribute(page.select(".story li")[-1].select("a")[0], "href") == f"/runs/{run.id}/steps/231"


def test_what_people_and_the_world_did_is_told(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    for name in ("plan", "ask", "again"):
        b.node(name)
    run = b.save()
    at = {"created_at": b.created_at, "since_at": b.created_at, "closed_at": b.clock, "timeout_at": b.clock}
    Wait.objects.create(run=run, seq=2, n=0, team_id=run.team_id, kind="person", name="report.publish", closed_as="person", closed_by="bea", **at)  # fmt: skip
    Branch.objects.create(
        run=run, number=2, team_id=run.team_id, parent_number=1, cause="rewind", effect_mode="live", from_seq=1, checkpoint_seq=1,
        from_hash=b"", node="again", first_seq=3, reuse_hash=b"", reason="the list was wrong", by="ada", at=b.clock,
    )  # fmt: skip
    told = beats(see(f"/runs/{run.id}/story"))
    assert "It waited for a person report.publish 150 ms answered (bea)" in told
    assert "ada went back to step 1: branch 2 the list was wrong" in told


def test_a_long_story_goes_on(see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WINDOW", 40)
    monkeypatch.setattr(material, "WINDOW", 40)
    run = stories.a_long_run(version, 600, n_names=97)
    page, told, n_pages = see(f"/runs/{run.id}/story"), [], 1
    while True:
        told += beats(page)
        more = page.select("a.btn[href^='?after=']")
        if not more:
            break
        assert "of 600" in words(one(page, "p.window .dim"))
        page = see(f"/runs/{run.id}/story{attribute(more[0], 'href')}")
        n_pages += 1
    assert n_pages > 1
    assert len(told) == 302
    assert (told[0].split()[0], told[-1]) == ("Started", "Succeeded")


def test_raw_lines_come_by_pages_and_whole_in_the_export(
    see: See, ada: Client, version: AgentVersion
) -> None:
    run = stories.a_crawl(version, n_pages=60)
    page = see(f"/runs/{run.id}/raw")
    assert len(page.select(".raw li")) == 52
    more = see(attribute(one(page, "#raw-more"), "hx-get"), target="raw-more")
    assert words(more.select("li")[0]).startswith('{"seq":51,')
    answer = ada.get(f"/runs/{run.id}/export.jsonl")
    assert answer["Content-Disposition"] == f'attachment; filename="{run.id}.jsonl"'
    head, *lines = [json.loads(line) for line in answer.getvalue().decode().splitlines()]
    assert head["id"] == str(run.id)
    assert [line["seq"] for line in lines] == [*range(1, run.n_steps + 1)]
    assert lines[3] == ada.get(f"/api/v1/runs/{run.id}/steps/4").json()


def test_the_markdown_tells_every_step_and_obeys_nobody(ada: Client, version: AgentVersion) -> None:
    written = ada.get(f"/runs/{stories.a_crawl(version, n_pages=5).id}/export.md").getvalue().decode()
    assert written.startswith("# Weekly docs review\n")
    assert "## 1 plan — succeeded, 1.8 s" in written
    assert "failed attempt 1" in written or "### 4 http.get" in written
    hostile = ada.get(f"/runs/{stories.a_hostile_run(version).id}/export.md").getvalue().decode()
    outside = "".join(part for n, part in enumerate(hostile.split("```")) if n % 2 == 0)
    assert "<script" not in outside.replace("\\<script", "")
    assert "![" not in outside.replace("!\\[", "").replace("\\!", "")


@pytest.mark.parametrize("tab", ["story", "raw", "export.jsonl", "export.md"])
def test_nothing_is_told_of_a_run_of_another_team(see: See, tab: str) -> None:
    theirs = stories.a_long_run(builders.an_agent(builders.a_team("others")), 10)
    see(f"/runs/{theirs.id}/{tab}", status=404)
