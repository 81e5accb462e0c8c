"""The pages of stuck runs: kinds now and past, one kind with its chart, earlier endings and remedies, and what people decide."""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agentops.accounts.roles import Role
from runs.models import AgentVersion, BulkJob, ReadMark, Run, StuckKind, StuckState
from runs.services.watch_runs import add_episodes
from runs.services.work_on_bulk import work_on_bulk
from tests.ui import builders
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import words

pytestmark = pytest.mark.django_db


def an_episode(
    version: AgentVersion, *, hours_ago: float = 1.0, error: str = "", node: str = "login", **columns: Any
) -> StuckState:
    """Return an episode of a paused run, put there as the watch does."""
    run = RunBuilder(version, title=f"File case {hours_ago:g}", seconds_ago=hours_ago * 3600 + 60).save(
        status="paused", node=node, health=["looping"]
    )
    reason = columns.pop("reason", "looping")
    add_episodes([{
        "team_id": str(run.team_id), "run_id": str(run.pk), "agent_id": str(run.agent_id), "reason": reason, "node": node,
        "error": error, "text": f"portal.login: 6 times in a row {error}", "fingerprint": f"1-{reason}{node}{len(error)}",
        "from_at": (builders.database_now() - timedelta(hours=hours_ago)).isoformat(), "from_seq": 0, "upto_seq": 1, "branch": 1,
    }])  # fmt: skip
    StuckState.objects.filter(run=run).update(**columns)
    return StuckState.objects.get(run=run)


def over(hours_ago: float = 0.5, **more: Any) -> dict[str, Any]:
    return {
        "to_at": builders.database_now() - timedelta(hours=hours_ago),
        "resolution": "resumed",
        "resolved_by": "ada",
        **more,
    }


def kinds(page: BeautifulSoup) -> list[str]:
    return [words(row.select_one("td.name")) for row in page.select("#stuck tbody tr")]


def test_kinds_stand_under_what_they_have_in_common(see: See, version: AgentVersion) -> None:
    for n in range(3):
        an_episode(version, hours_ago=n + 1)
    an_episode(version, hours_ago=0.5, node="file", error="http_<n>")
    an_episode(version, hours_ago=30, node="read", **over())
    assert kinds(see("/stuck")) == ["file http_<n>", "login"]
    assert kinds(see("/stuck?view=past")) == ["read"]
    assert kinds(see("/stuck?q=node:login at:-5h")) == ["login"]
    assert kinds(see('/stuck?q="portal.login: 6 times in a row http"')) == ["file http_<n>"]
    assert kinds(see("/stuck?q=resolution:resumed by:ada")) == ["read"]
    rail = see("/runs").select_one('a.room[href="/stuck"]')
    assert rail
    assert words(rail) == "Stuck 2"


def test_a_query_that_cannot_be_read_is_refused_with_the_place(see: See, version: AgentVersion) -> None:
    page = see("/stuck?q=nodee:login", status=400)
    assert "did you mean `node`" in words(page)
    assert page.select_one('a[href="/stuck?q=node%3Alogin"]')
    assert not see("/stuck?q=<b>x</b>").select("#stuck b b, form b")


def test_one_kind_says_when_it_began_whom_it_holds_up_and_what_ended_it(
    see: See, version: AgentVersion
) -> None:
    first = an_episode(version, hours_ago=3)
    for _ in range(2):
        an_episode(version, hours_ago=2, **over())
    an_episode(version, hours_ago=2, **over(resolution="moved_on", resolved_by=""))
    page = see(f"/stuck/{first.fingerprint}")
    assert "1 run" in words(page.select("dl.vitals")[0])
    assert [words(item).split(" half")[0] for item in page.select(".endings li")] == [
        "Resumed 2 × by ada",
        "Moved on 1 × by itself",
    ]
    bars = [words(bar) for bar in page.select(".onset-big title")]
    assert sorted(bar.rpartition(" ")[2] for bar in bars)[-2:] == ["1", "3"]
    assert len(page.select(".episodes li")) == 4
    assert see("/stuck/1-nobodys", status=404)


def test_a_remedy_is_previewed_and_then_done_to_all_that_are_held_up(
    see: See, ada: Client, version: AgentVersion
) -> None:
    held = [an_episode(version, hours_ago=n + 1) for n in range(3)]
    an_episode(version, hours_ago=1, node="elsewhere")
    page = see(f"/stuck/{held[0].fingerprint}?q=from:-150m")
    link = next(it for it in page.select(".remedies a") if words(it) == "Resume all")
    preview = see(str(link["href"]))
    assert "Would resume 2 runs" in words(preview)
    fields = preview.select('form[method=post][action="/runs/bulk"] input[name]')
    form = {str(it["name"]): str(it.get("value", "")) for it in fields}
    assert ada.post("/runs/bulk", form).status_code == 302
    while BulkJob.objects.get().state == "working":
        work_on_bulk()
    assert Run.objects.filter(status="queued").count() == 2
    assert BulkJob.objects.get().n_done == 2


def test_a_kind_is_resolved_until_it_comes_again_and_ignored_for_good(
    see: See, ada: Client, version: AgentVersion
) -> None:
    episode = an_episode(version)
    address = f"/stuck/{episode.fingerprint}"
    ada.post(f"{address}/decide", {"state": "resolved"})
    assert (kinds(see("/stuck")), kinds(see("/stuck?view=resolved"))) == ([], ["login"])
    an_episode(version, hours_ago=0.1)
    assert kinds(see("/stuck")) == ["login"]
    ada.post(f"{address}/decide", {"state": "ignored"})
    an_episode(version, hours_ago=0.05)
    assert (kinds(see("/stuck")), kinds(see("/stuck?view=ignored"))) == ([], ["login"])
    ada.post(f"{address}/decide", {"note": "Open the door <first>."})
    assert StuckKind.objects.get().note == "Open the door <first>."
    assert "Open the door <first>." in words(see("/stuck?view=ignored"))
    assert ada.post(f"{address}/decide", {"state": "gone"}).status_code == 400


def test_who_may_only_look_is_offered_nothing_to_do(browser_of: Any, version: AgentVersion) -> None:
    episode = an_episode(version)
    viewer = browser_of(Role.VIEWER)
    page = BeautifulSoup(viewer.get(f"/stuck/{episode.fingerprint}").content, "html.parser")
    assert not page.select(".remedies, #note, form[action$=decide]")
    assert viewer.post(f"/stuck/{episode.fingerprint}/decide", {"state": "ignored"}).status_code == 403


def test_a_page_costs_the_same_however_many_there_are(ada: Client, version: AgentVersion) -> None:
    an_episode(version)
    for address in ("/stuck", f"/stuck/{StuckState.objects.get().fingerprint}"):
        ada.get(address)
        with CaptureQueriesContext(connection) as few:
            ada.get(address)
        assert len(few) <= 20
    for n in range(12):
        an_episode(version, hours_ago=n)
    for address in ("/stuck", f"/stuck/{StuckState.objects.first().fingerprint}"):  # type: ignore[union-attr]
        with CaptureQueriesContext(connection) as many:
            ada.get(address)
        assert len(many) <= 20


def test_the_page_of_an_agent_says_how_sure_its_steps_are(see: See, version: AgentVersion) -> None:
    assert not see("/agents/site-research/versions").select("#odds")
    for n_failed in (0, 1):
        RunBuilder(version).save(status="succeeded", n_steps=9, n_failed_steps=n_failed)
    told = words(see("/agents/site-research/versions").select("#odds")[0])
    assert told.startswith(
        "94.7 % of its steps succeed at the first try. At 9 steps a run, 61 % of its runs would succeed"
    )


def test_a_run_that_is_stuck_says_so_and_the_list_counts_them(see: See, version: AgentVersion) -> None:
    episode = an_episode(version)
    note = words(see(f"/runs/{episode.run_id}").select("#run-head .note")[0])
    assert "Looping at login" in note
    assert "6 times in a row" in note
    assert see(f"/runs/{episode.run_id}").select_one(f'#run-head a[href="/stuck/{episode.fingerprint}"]')
    listed = see("/runs?q=is:stuck")
    assert words(listed.select('nav.views a[aria-current="page"]')[0]) == "Stuck 1"
    assert not listed.select("#behind")
    ReadMark.objects.create(name="texts", ended_at=builders.database_now() - timedelta(hours=2))
    assert "1 h 59 m behind" in words(see("/runs?q=content:captcha").select("#behind")[0])
