"""The page of limits, the switches, and what a queued run says is in its way."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role, Scope
from runs.models import Agent, AgentVersion, Limit
from runs.services.set_limit import set_limit
from tests.ui.builders import RunBuilder, living_system
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, vital, words

pytestmark = pytest.mark.django_db

EVIL = "<script>x</script>\u202e"


@pytest.fixture
def anna(team: Team) -> Actor:
    return Actor(team.pk, None, "anna", frozenset(Scope))


def limit(anna: Actor, version: AgentVersion, n: int) -> Limit:
    return set_limit(actor=anna, scope="agent", name=version.agent.slug, max_running=n)[0]


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def test_empty_pages_say_what_belongs_there(see: See, team: Team) -> None:
    page = words(see("/limits"))
    assert "Nothing is limited." in page
    assert "Nothing is executed" in page


def test_a_limit_is_set_changed_and_removed(see: See, ada: Client, version: AgentVersion) -> None:
    slug = version.agent.slug
    form = see("/limits/new?scope=agent")
    assert slug in [option.get_text() for option in form.select("option")]
    sent = {"scope": "agent", "in-name": f'"{slug}"', "in-max_running": "0"}
    refused = ada.post("/limits/new", sent)
    assert refused.status_code == 422
    assert "at least 1" in words(read(refused)) or "from 1" in words(read(refused))
    made = ada.post("/limits/new", sent | {"in-max_running": "2"})
    assert (made.status_code, made["Location"]) == (302, f"/limits/agent/{slug}")
    assert "0 of 2" in words(see("/limits"))
    assert ada.post("/limits/new", sent | {"in-max_running": "9"})["Location"] == f"/limits/agent/{slug}"
    page = see(f"/limits/agent/{slug}")
    assert Limit.objects.get().max_running == 2
    seen = attribute(one(page, "form.form input[name=version]"), "value")
    assert ada.post(f"/limits/agent/{slug}", {"version": seen, "in-max_running": "3"}).status_code == 302
    stale = ada.post(f"/limits/agent/{slug}", {"version": seen, "in-max_running": "4"})
    assert (stale.status_code, "has set this limit to 3" in words(read(stale))) == (409, True)
    assert ada.post(f"/limits/remove/agent/{slug}", {"version": "2"})["Location"] == "/limits"
    assert not Limit.objects.exists()


def test_it_shows_what_is_full_and_who_has_the_workers(see: See, anna: Actor, version: AgentVersion) -> None:
    limit(anna, version, 1)
    set_limit(actor=anna, scope="key", name=f"{EVIL}*", max_running=4)
    RunBuilder(version).save(status="running")
    for _ in range(3):
        RunBuilder(version).save(status="queued")
    page = see("/limits")
    [limits, shares] = [words(table) for table in page.select("table")]
    assert "Full" in limits
    assert "1 of 1 3 queued" in limits
    assert "0 (4 each)" in limits
    assert f"{version.agent.slug} 1 running 3 queued" in shares
    assert page.select("script:not([src])") == []
    assert "1 of 1" in words(see(f"/limits/agent/{version.agent.slug}"))


def test_a_queued_run_says_behind_which_limit_it_waits(see: See, anna: Actor, version: AgentVersion) -> None:
    living_system()
    limit(anna, version, 1)
    RunBuilder(version).save(status="running")
    first, last = (RunBuilder(version, seconds_ago=n).save(status="queued") for n in (9, 5))
    slug = version.agent.slug
    assert vital(see(f"/runs/{first.id}"), "Waits for") == f"a place under the limit of 1 for agent {slug}"
    assert "1 is executed now, and it is the next." in words(see(f"/runs/{first.id}"))
    page = words(see(f"/runs/{last.id}"))
    assert f"It waits behind a limit of 1 for agent {slug}." in page
    assert "and 1 is ahead of it" in page
    assert f"a place under the limit of 1 for agent {slug}" in words(see("/runs"))


def test_an_agent_is_paused_with_a_reason_that_everybody_sees(
    see: See, ada: Client, browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    living_system()
    run, slug = RunBuilder(version).save(status="queued"), version.agent.slug
    assert vital(see(f"/runs/{run.id}"), "Waits for") == "a free worker"
    assert f"Pause all of “{slug}”?" in words(see(f"/agents/{slug}/pause"))
    assert ada.post(f"/agents/{slug}/pause", {"reason": "x" * 1001}).status_code == 422
    answer = ada.post(f"/agents/{slug}/pause", {"reason": f"It writes nonsense {EVIL}"}, follow=True)
    assert f"The agent {slug} is paused." in words(read(answer))
    for address in ("/agents", "/runs", "/limits"):
        page = see(address)
        assert "ada" in words(one(page, "#agents-paused"))
        assert "It writes nonsense <script>x</script>⟨U+202E⟩" in words(page)
    page = see(f"/runs/{run.id}")
    assert vital(page, "Waits for") == f"agent {slug} to be resumed"
    assert f"ada has paused the agent {slug}. It writes nonsense" in words(page)
    viewer = browser_of(Role.VIEWER)
    assert viewer.post(f"/agents/{slug}/resume").status_code == 403
    assert "Resume" not in words(read(viewer.get("/agents")))
    assert browser_of(Role.OPERATOR).post(f"/agents/{slug}/resume").status_code == 302
    assert see("/runs").select("#agents-paused") == []
    assert not Agent.objects.filter(is_paused=True).exists()


def test_the_whole_team_is_paused_by_an_admin_alone(
    see: See, ada: Client, browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    living_system()
    run = RunBuilder(version).save(status="queued")
    operator = browser_of(Role.OPERATOR)
    assert [operator.post(f"/team/{verb}").status_code for verb in ("pause", "resume")] == [403, 403]
    assert "Pause the team" not in words(read(operator.get("/limits")))
    assert ada.get("/team/pause").status_code == 200
    ada.post("/team/pause", {"reason": "a leak"})
    page = see(f"/runs/{run.id}")
    assert vital(page, "Waits for") == "the team to be resumed"
    assert "a leak" in words(one(see("/runs"), "#team-paused"))
    ada.post("/team/resume")
    assert vital(see(f"/runs/{run.id}"), "Waits for") == "a free worker"


def test_who_may_only_look_is_offered_no_switch(
    browser_of: Callable[[Role], Client], anna: Actor, version: AgentVersion
) -> None:
    limit(anna, version, 1)
    viewer, slug = browser_of(Role.VIEWER), version.agent.slug
    assert read(viewer.get("/limits")).select("main form, main .btn.primary") == []
    assert read(viewer.get(f"/limits/agent/{slug}")).select("main form") == []
    for method, address in (
        ("get", "/limits/new"),
        ("post", f"/limits/agent/{slug}"),
        ("post", f"/limits/remove/agent/{slug}"),
    ):
        assert getattr(viewer, method)(address, {"in-max_running": "9", "version": "1"}).status_code == 403
    assert Limit.objects.get().max_running == 1
