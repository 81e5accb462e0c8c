"""Home says what needs somebody and how the last day went; every number leads to the runs that it was counted from."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import Tag
from django.db.models import F
from django.test import Client
from django.utils import timezone

from agentops.accounts.models import Team
from runs.models import AgentVersion, Run
from runs.presenters.dashboard import SPANS, edges_of
from tests.ui import builders
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words
from tests.ui.test_page_cost import queries

pytestmark = pytest.mark.django_db


def ended(version: AgentVersion, status: str, *, seconds: float = 60.0, hours_ago: float = 1.0) -> Run:
    run = RunBuilder(version).save(status=status)
    created_at = builders.database_now() - timedelta(hours=hours_ago)
    Run.objects.filter(pk=run.pk).update(
        created_at=created_at, ended_at=created_at + timedelta(seconds=seconds), cost_microusd=F("cost_microusd") + 10_000
    )  # fmt: skip
    return run


def tile(page: Tag, label: str) -> Tag:
    return next(found for found in page.select(".tiles > div") if words(one(found, "dt")) == label)


def found_by(see: See, link: Tag) -> int:
    """Return how many runs the list shows behind a number."""
    return len(see(attribute(link, "href")).select("tr[data-run]"))


def test_with_nothing_to_do_and_no_runs_it_says_so_and_what_would_be_here(
    see: See, version: AgentVersion
) -> None:
    page = see("/")
    needs = [words(found) for found in page.select(".needs > li b")]
    assert needs == [
        "No worker has sent a beat lately: runs wait in the queue until one starts",
        "No clock has ever run: timers do not fire and lost runs are not found",
    ]
    assert "No run was created in this time." in words(page)


def test_the_numbers_of_the_day_are_those_of_its_runs(see: See, version: AgentVersion) -> None:
    for seconds in (10.0, 20.0, 30.0):
        ended(version, "succeeded", seconds=seconds)
    ended(version, "failed", seconds=40.0)
    ended(version, "failed", hours_ago=30)
    RunBuilder(version).save(status="running")
    page = see("/")
    assert words(one(tile(page, "Succeeded"), "dd a")) == "75.0 %"
    assert "5 runs, 1 failed" in words(tile(page, "Succeeded"))
    assert words(one(tile(page, "Took"), "dd a")) == "25 s"
    assert words(one(tile(page, "Spent"), "dd a")) == "$0.04"
    [row] = page.select(".did tbody tr")
    assert [words(cell) for cell in row.select("td")[:1]] == [version.agent.slug]
    assert "75 %" in words(row)


def test_a_number_leads_to_the_runs_behind_it(see: See, version: AgentVersion) -> None:
    ended(version, "succeeded")
    ended(version, "failed")
    ended(version, "failed", hours_ago=30)
    page = see("/")
    assert found_by(see, one(tile(page, "Succeeded"), "dd a")) == 1
    assert found_by(see, one(page, ".did td.name a")) == 2
    bars = [bar for bar in page.select(".outcomes > a") if bar.select("rect:not(.hit)")]
    assert len(bars) == 1
    assert "1 succeeded, 1 failed" in attribute(bars[0], "aria-label")
    assert found_by(see, bars[0]) == 2


def test_what_failed_and_what_cannot_be_trusted_needs_somebody(see: See, version: AgentVersion) -> None:
    ended(version, "failed")
    RunBuilder(version).save(status="paused", health=["integrity_failed"])
    RunBuilder(version).save(status="paused", health=["over_budget"])
    told = {
        words(one(found, "b")): attribute(one(found, ".btn"), "href")
        for found in see("/").select(".needs > li")
    }
    assert told["1 run has failed for good"] == "/runs/dead-letters"
    for sentence, query in (
        ("1 run cannot be trusted: its rows are not what was written", "is:integrity_failed"),
        ("1 run has reached its budget and is paused", "is:over_budget status:paused"),
    ):
        assert parse_qs(urlsplit(told[sentence]).query) == {"q": [query]}
        assert len(see(told[sentence]).select("tr[data-run]")) == 1


def test_what_goes_on_stands_there_with_where_it_is(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, title="Weekly crawl").save(status="sleeping")
    ended(version, "succeeded")
    [row] = one(see("/"), "section[aria-labelledby=open-title]").select("tbody tr")
    assert "Weekly crawl" in words(row)
    assert "Sleeping" in words(row)
    assert attribute(one(row, ".name a"), "href") == f"/runs/{run.id}"


def test_another_team_is_not_counted(see: See, version: AgentVersion) -> None:
    ended(builders.an_agent(builders.a_team("other"), program="test-steps"), "failed")
    page = see("/")
    assert "failed for good" not in words(page)
    assert "0 runs" in words(tile(page, "Succeeded"))


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "nonsense"])
def test_dashboards_look_at_a_day_a_week_or_a_month(see: See, version: AgentVersion, span: str) -> None:
    ended(version, "succeeded", hours_ago=100)
    page = see(f"/dashboards?span={span}")
    chosen = attribute(one(page, ".views [aria-current]"), "href")
    assert chosen == f"?span={span if span in ('7d', '30d') else '24h'}"
    assert bool(page.select(".curve")) == (span in ("7d", "30d"))
    assert "Nothing has a budget." in words(page)


def test_the_last_stretch_holds_the_present_in_any_zone() -> None:
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"):
        with timezone.override(zone):
            for span in SPANS:
                now = builders.database_now()
                edges = edges_of(span, now)
                assert len(edges) == span.n + 1
                assert edges[-2] <= now < edges[-1]


def test_more_runs_and_agents_take_no_more_queries(ada: Client, team: Team, version: AgentVersion) -> None:
    ended(version, "succeeded")
    few = queries(ada, "/")
    for n in range(40):
        ended(version, "failed" if n % 2 else "succeeded", hours_ago=n / 2)
    assert queries(ada, "/") == few <= 40
