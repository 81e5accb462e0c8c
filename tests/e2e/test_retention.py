"""An admin sets how long runs are kept, reads what would go, applies it, opens an archived run and restores it: in a browser."""

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from runs.models import Run
from runs.services.measure_runs import measure_runs
from runs.services.register_programs import register_programs
from runs.services.work_on_retention import work_on_retention
from tests.e2e.browser import Complaints
from tests.e2e.test_actions import clean
from tests.runs import a_run, drive
from tests.ui import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def old_runs(team: Team) -> list[Run]:
    """Three runs that ended forty days ago."""
    builders.living_system()
    register_programs(team_id=team.pk)
    runs = [drive(a_run("test-steps", {"n": n}, team=team)) for n in (3, 4, 5)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE runs_run SET created_at = created_at - interval '40 days', ended_at = ended_at - interval '40 days'"
        )
    measure_runs([run.pk for run in runs])
    return runs


def test_runs_are_kept_archived_read_and_restored(
    desk: Page, old_runs: list[Run], complaints: Complaints
) -> None:
    pinned, archived, _ = old_runs
    desk.goto("/policies/retention")
    expect(desk.locator("main")).to_contain_text("Every run is kept whole for good.")
    desk.goto(f"/runs/{pinned.pk}")
    desk.get_by_role("link", name="Keep…").click()
    desk.get_by_label("Why", exact=True).fill("the good example")
    desk.get_by_role("button", name="Keep it").click()
    expect(desk.get_by_role("cell", name="the good example")).to_be_visible()
    assert clean(desk) == []

    desk.goto("/policies/retention")
    desk.get_by_role("link", name="Set a policy").first.click()
    desk.get_by_label("Archive after days").fill("30")
    desk.get_by_label("Delete after days").fill("20")
    desk.get_by_role("button", name="Show what would go").click()
    expect(desk.locator("main")).to_contain_text("must be more than the 30 days")
    complaints.told.clear()  # the browser tells of the 422
    desk.get_by_label("Delete after days").fill("90")
    desk.get_by_role("button", name="Show what would go").click()
    expect(desk.locator("#due")).to_contain_text("2 runs")
    expect(desk.locator("#due")).to_contain_text("1 more is due and stays")
    assert clean(desk) == []
    desk.get_by_role("button", name="Save the policy").click()
    expect(desk.get_by_role("row", name="All runs")).to_contain_text(
        "archived after 30 days, deleted after 90 days"
    )
    assert clean(desk) == []

    desk.get_by_role("button", name="Do it now").click()
    expect(desk.get_by_role("button", name="Stop here")).to_be_visible()
    while work_on_retention():
        pass
    expect(desk.get_by_role("status").filter(has_text="2 archived")).to_contain_text(
        "1 stayed because something needs"
    )
    assert clean(desk) == []

    desk.goto("/storage")
    expect(desk.locator("main")).to_contain_text("1 whole, 2 archived")
    assert clean(desk) == []
    desk.goto("/runs?q=")
    expect(desk.get_by_text("Archived", exact=True)).to_have_count(2)
    desk.goto(f"/runs/{archived.pk}")
    expect(desk.locator("#archived-note")).to_contain_text("You read this run in its archive.")
    assert clean(desk) == []
    desk.get_by_role("link", name="State").click()
    expect(desk.locator("pre.code")).to_contain_text('"n": 4')
    assert clean(desk) == []
    desk.get_by_role("button", name="Restore").click()
    expect(desk.locator("main")).to_contain_text("The run is restored")
    expect(desk.locator("#tab-tree")).to_be_visible()
    assert complaints.told == []
