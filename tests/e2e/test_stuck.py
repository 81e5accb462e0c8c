"""An operator finds yesterday's stuck logins, resumes them all, and sees that they went on."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from runs.models import AgentVersion, BulkJob, Run, StuckState
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from runs.services.watch_runs import look_at
from runs.services.work_on_bulk import work_on_bulk
from tests.e2e.test_actions import clean
from tests.runs import a_run, a_worker, claim
from tests.sticking import Door
from tests.ui.builders import database_now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def logins(version: AgentVersion) -> list[Run]:
    """Three runs that the watch found before a shut door yesterday, and paused."""
    register_programs(team_id=version.team_id)
    team = Team.objects.get(pk=version.team_id)
    Door.answer = "again"
    made = [a_run("test-at-the-door", {"user": f"user {n}"}, team=team) for n in range(3)]
    for _ in made:
        advance(claim(a_worker()))
    ids = [run.pk for run in made]
    look_at(ids)
    midnight = database_now().replace(hour=0, minute=0, second=0)
    StuckState.objects.update(from_at=midnight - timedelta(hours=2), opened_at=midnight - timedelta(hours=2))
    look_at(ids)
    assert set(Run.objects.filter(id__in=ids).values_list("status", flat=True)) == {"paused"}
    return made


def test_yesterdays_stuck_logins_are_found_resumed_and_seen_to_go_on(desk: Page, logins: list[Run]) -> None:
    desk.goto("/runs")
    rail = desk.get_by_role("navigation", name="Main").get_by_role("link", name="Stuck")
    expect(rail).to_contain_text("1")
    rail.click()
    desk.get_by_label("Find episodes").fill("node:login at:yesterday")
    desk.get_by_role("button", name="Find").click()
    desk.wait_for_url("**/stuck?q=*")
    row = desk.locator("#stuck tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Looping")
    row.get_by_role("link").click()
    desk.wait_for_url("**/stuck/*")
    expect(desk.locator(".episodes li")).to_have_count(3)
    expect(desk.locator(".episodes li").first).to_contain_text("paused")
    assert clean(desk) == []
    desk.get_by_role("textbox", name="What helps").fill("Open the door, then resume them.")
    desk.get_by_role("button", name="Keep the note").click()
    expect(desk.get_by_role("textbox", name="What helps")).to_have_value("Open the door, then resume them.")

    desk.get_by_role("link", name="Resume all").click()
    expect(desk.get_by_role("status").first).to_contain_text("Would resume 3 runs")
    desk.get_by_role("button", name="Resume 3 runs").click()
    desk.wait_for_url("**/runs/bulk/*")
    Door.answer = "in"
    while BulkJob.objects.get().state == "working":
        work_on_bulk()
    look_at([run.pk for run in logins])
    desk.goto("/stuck")
    expect(desk.locator("#stuck")).to_contain_text("Nothing is stuck")
    desk.get_by_role("navigation", name="Which").get_by_role("link", name="Past").click()
    desk.locator("#stuck tbody tr").get_by_role("link").click()
    expect(desk.locator(".endings li")).to_contain_text("Resumed")
    expect(desk.locator(".endings li")).to_contain_text("by ada")
    desk.goto("/runs?q=stuck(node:login at:yesterday)")
    expect(desk.locator("#runs tbody tr")).to_have_count(3)
    assert clean(desk) == []
