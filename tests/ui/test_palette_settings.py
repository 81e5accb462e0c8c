"""Going anywhere by typing, and how a person wants the console."""

import pytest
from django.test import Client

from agentops.accounts.models import User
from runs.models import AgentVersion
from tests.ui import stories
from tests.ui.conftest import See
from tests.ui.reading import one, words

pytestmark = pytest.mark.django_db


def found(see: See, typed: str) -> list[str]:
    return [words(hit) for hit in see(f"/palette?q={typed}", target="palette-found").select(".hit")]


def test_a_few_letters_find_runs_agents_and_views(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed", n_pages=3, title="Harvest of the docs")
    assert found(see, "harv")[0].startswith("Failed Harvest of the docs site-research")
    assert any("Start site-research" in hit for hit in found(see, "site"))
    assert any(str(run.id)[:8] in hit for hit in found(see, str(run.id)))
    assert len(found(see, "nobodysword")) == 1
    assert words(one(see("/palette?q=harv"), "main .found .hit:first-child")).startswith("Failed")


def test_what_is_no_query_is_answered_with_a_sentence(see: See, version: AgentVersion) -> None:
    assert "unknown key" in found(see, "statsu:failed")[-1] or "statsu" in found(see, "statsu:failed")[-1]


def test_times_are_shown_in_the_zone_that_was_chosen(ada: Client, see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed", n_pages=3)
    assert ada.post("/settings", {"time_zone": "Asia/Tokyo"}).status_code == 302
    assert User.objects.get(username="ada").time_zone == "Asia/Tokyo"
    assert one(see("/settings"), "input#time_zone")["value"] == "Asia/Tokyo"
    assert "JST" in str(see(f"/runs/{run.id}/log"))
    refused = ada.post("/settings", {"time_zone": "Asia/Tokio"})
    assert refused.status_code == 422
    assert "did you mean Asia/Tokyo?" in refused.content.decode()
