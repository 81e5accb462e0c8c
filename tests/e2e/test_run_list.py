"""The run list in a browser: typing a query, choosing by keys, brushing the chart, selecting, and without scripts."""

import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from agentops.accounts.models import User
from runs import broadcasts
from runs.models import AgentVersion, BulkJob, Run
from tests.e2e.server import WebServer
from tests.runs import work_off
from tests.ui import builders
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def some(version: AgentVersion) -> None:
    for n in range(8):
        RunBuilder(version, title=f"review {n}", seconds_ago=600 + 60 * n).save(
            tags=["prod"] if n % 2 else []
        )
    for n in range(4):
        RunBuilder(version, title=f"audit {n}", seconds_ago=7200 + n).save(status="failed")


def titles(page: Page) -> list[str]:
    return page.locator("[data-row-link]").all_inner_texts()


@pytest.mark.usefixtures("some")
def test_a_query_is_written_with_suggestions_by_keys_alone(desk: Page) -> None:
    desk.goto("/runs")
    desk.keyboard.press("/")
    desk.keyboard.type("sta")
    options = desk.get_by_role("option")
    expect(options.first).to_contain_text("status:")
    desk.keyboard.press("Tab")  # takes the first
    expect(desk.locator("#q")).to_have_value("status:")
    expect(options.filter(has_text="failed")).to_be_visible()
    desk.keyboard.type("f")
    expect(options).to_have_count(1)
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("#q")).to_have_attribute("aria-activedescendant", "suggest-0")
    desk.keyboard.press("Enter")
    expect(desk.locator("#q")).to_have_value("status:failed ")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/runs?q=status*")
    expect(desk.locator("[data-row-link]")).to_have_count(4)


@pytest.mark.usefixtures("some")
def test_escape_closes_the_suggestions_and_leaves_what_was_typed(desk: Page) -> None:
    desk.goto("/runs")
    desk.keyboard.press("/")
    desk.keyboard.type("tag:p")
    expect(desk.get_by_role("option")).to_have_text(re.compile("prod"))
    desk.keyboard.press("Escape")
    expect(desk.locator("#suggest")).to_be_hidden()
    expect(desk.locator("#q")).to_have_value("tag:p")
    expect(desk.locator("#q")).to_be_focused()


@pytest.mark.usefixtures("some")
def test_dragging_over_bars_is_a_time(desk: Page) -> None:
    desk.goto("/runs?q=review")
    bars = desk.locator(".chart a:has(rect:not(.hit))")
    expect(bars).to_have_count(8)
    first, third = bars.nth(0).bounding_box(), bars.nth(2).bounding_box()
    assert first
    assert third
    desk.mouse.move(first["x"] + 3, first["y"] + 20)
    desk.mouse.down()
    desk.mouse.move(third["x"] + 3, third["y"] + 20, steps=6)
    desk.mouse.up()
    desk.wait_for_url("**created*")
    assert "q=review created:" in unquote(desk.url).replace("+", " ")
    expect(desk.locator("[data-row-link]")).to_have_count(3)
    desk.locator(".chart a:has(rect:not(.hit))").first.click()
    expect(desk.locator("[data-row-link]")).to_have_count(1)


@pytest.mark.usefixtures("some")
def test_filters_open_by_a_key_and_edit_the_query(desk: Page) -> None:
    desk.goto("/runs?q=")
    expect(desk.locator(".facets")).to_be_visible()
    desk.keyboard.press("f")
    desk.locator(".facets").get_by_role("link", name=re.compile("prod")).click()
    desk.wait_for_url("**tag*")
    expect(desk.locator("[data-row-link]")).to_have_count(4)


@pytest.mark.usefixtures("some")
def test_the_drawer_opens_and_closes_by_keys_and_gives_the_focus_back(desk: Page) -> None:
    desk.goto("/runs?q=review")
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    desk.keyboard.press("p")
    drawer = desk.locator("#peek")
    expect(drawer).to_contain_text("review 1")
    expect(drawer).to_be_focused()
    assert "peek=" in desk.url
    desk.reload()
    expect(drawer).to_contain_text("review 1")
    desk.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert "peek=" not in desk.url


@pytest.mark.usefixtures("some")
def test_a_selection_outlives_what_comes_in_and_becomes_a_job(desk: Page, ada: User) -> None:
    desk.goto("/runs?q=status:failed")
    expect(desk.locator("#live")).to_have_text("Live")
    desk.keyboard.press("j")
    desk.keyboard.press("x")
    desk.keyboard.press("j")
    desk.keyboard.press("x")
    expect(desk.locator(".picked")).to_contain_text("2")
    run = Run.objects.get(title="audit 0")
    Run.objects.filter(pk=run.pk).update(error={"code": "x", "message": "another reason"})
    broadcasts.hint(run.team_id, run.id)
    expect(desk.locator(f"#run-{run.id}")).to_contain_text("another reason")
    expect(desk.locator("[data-pick]:checked")).to_have_count(2)
    desk.get_by_role("button", name="Act on the selected…").click()
    desk.get_by_role("button", name="Retry").click()
    expect(desk.get_by_text("Would retry 2 runs.")).to_be_visible()
    desk.get_by_role("button", name="Retry 2 runs").click()
    desk.wait_for_url("**/runs/bulk/*")
    expect(desk.locator("#job")).to_contain_text("2 to go")
    work_off()
    expect(desk.locator("#job")).to_contain_text("2 retried")
    expect(desk.locator("#job .chip")).to_have_text("Done")
    assert BulkJob.objects.get().created_by == "ada"


def test_all_of_it_works_without_scripts(
    browser: Browser, server: WebServer, session_key: str, some: None
) -> None:
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    page = context.new_page()
    page.goto("/runs")
    page.get_by_label("Search runs").fill("status:failed")
    page.keyboard.press("Enter")
    expect(page.locator("[data-row-link]")).to_have_count(4)
    page.get_by_role("link", name="Show when they ran").click()
    page.locator(".chart a:has(rect:not(.hit))").first.click()
    expect(page.locator("[data-row-link]")).to_have_count(4)
    page.locator(".peek-link").first.click(force=True)
    expect(page.locator("#peek")).to_contain_text("audit")
    page.goto("/runs?q=status:failed")
    page.locator("[data-pick]").first.check()
    page.get_by_role("button", name="Act on the selected…").click()
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("button", name="Retry 1 runs").click()
    expect(page.locator("#job")).to_contain_text("1 to go")
    page.goto("/runs?q=status:failed")
    page.locator(".menu summary").click()
    page.get_by_label("Cost").check()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("th").last).to_have_text(re.compile("Cost|Age"))
    page.get_by_role("link", name="Save view").click()
    page.get_by_label("Name").fill("Failed ones")
    page.get_by_role("button", name="Save the view").click()
    expect(page.locator(".views .own")).to_have_text("Failed ones")
    context.close()


def test_new_runs_of_a_search_are_offered_and_never_pushed_in(desk: Page, version: AgentVersion) -> None:
    RunBuilder(version, title="review 1").save()
    desk.goto("/runs?q=review")
    expect(desk.locator("#live")).to_have_text("Live")
    for title in ("review 2", "something else"):
        run = RunBuilder(version, title=title, seconds_ago=0).save(status="queued")
        broadcasts.hint(run.team_id, run.id)
    expect(desk.locator("#newer")).to_contain_text("1 new")
    assert titles(desk) == ["review 1"]
    desk.keyboard.press(".")
    expect(desk.locator("[data-row-link]")).to_have_count(2)


def test_a_bad_query_is_mended_by_one_click(desk: Page, version: AgentVersion) -> None:
    RunBuilder(version, title="one").save(status="failed")
    builders.living_system()
    desk.goto("/runs?q=one statsu:failed")
    desk.get_by_role("link", name="Try one status:failed").click()
    expect(desk.locator("[data-row-link]")).to_have_text("one")
