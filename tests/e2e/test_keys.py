"""Everything can be reached by keys, and keys can be switched off."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from runs.models import AgentVersion
from tests.e2e.server import WebServer
from tests.ui import stories
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_the_list_into_a_step_and_back(desk: Page, version: AgentVersion) -> None:
    RunBuilder(version, title="second", seconds_ago=90).save()
    run = stories.a_crawl(version, n_pages=20, title="first", seconds_ago=190_000.0)
    newest = RunBuilder(version, title="newest", seconds_ago=5).save()
    desk.goto("/runs")
    desk.keyboard.press("j")
    expect(desk.locator(f"#open-{newest.id}")).to_be_focused()
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    expect(desk.locator(f"#open-{run.id}")).to_be_focused()
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**/runs/{run.id}")

    desk.keyboard.press("ArrowDown")  # into the tree, at the selected row
    expect(desk.locator("#tree [aria-selected=true]")).to_be_focused()
    desk.keyboard.press("Home")
    expect(desk.locator("#s1")).to_be_focused()
    desk.keyboard.press("ArrowLeft")
    expect(desk.locator("#s2")).to_be_hidden()
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("#sf3")).to_be_focused()
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("#s5")).to_be_visible()
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("#s3")).to_be_focused()
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**/runs/{run.id}/steps/3")
    expect(desk.locator("#inspector .crumb")).to_contain_text("step 3")
    expect(desk.locator("#s3")).to_have_attribute("aria-selected", "true")
    desk.keyboard.press("ArrowLeft")
    expect(desk.locator("#sf3")).to_be_focused()
    desk.go_back()
    desk.wait_for_url(f"**/runs/{run.id}")
    desk.keyboard.press("g")
    desk.keyboard.press("r")
    desk.wait_for_url("**/runs")


def test_the_next_error_is_a_key_away(desk: Page, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed")
    desk.goto(f"/runs/{run.id}/steps/1")
    desk.keyboard.press("n")
    desk.wait_for_url("**/steps/126")
    desk.keyboard.press("n")
    desk.wait_for_url("**/steps/231")
    desk.keyboard.press("Shift+N")
    desk.wait_for_url("**/steps/126")


def test_the_sheet_lists_the_keys_and_switches_them_off(desk: Page, version: AgentVersion) -> None:
    desk.goto("/runs")
    desk.keyboard.press("?")
    sheet = desk.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_be_visible()
    sheet.get_by_label("Single-key shortcuts are on").uncheck()
    desk.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    desk.keyboard.press("/")
    expect(desk.locator("#q")).not_to_be_focused()


def test_slash_searches_and_typing_is_only_typing(desk: Page, version: AgentVersion) -> None:
    RunBuilder(version, title="zebra crossing").save()
    desk.goto("/agents")
    desk.keyboard.press("/")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.type("zebra")
    expect(desk).to_have_url(re.compile("/agents$"))
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-row-link]")).to_have_text("zebra crossing")


def test_pages_work_without_scripts(
    browser: Browser, server: WebServer, session_key: str, version: AgentVersion
) -> None:
    run = stories.a_crawl(version, n_pages=20)
    queued = RunBuilder(version).save(status="queued")
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    page = context.new_page()
    page.goto(f"/runs/{run.id}")
    page.locator("#s1 a").click()
    page.wait_for_url("**/steps/1")
    expect(page.locator("#inspector-title")).to_have_text("plan")
    page.get_by_role("link", name="Start again…").click()
    expect(page.get_by_label("Root URL")).to_have_value("https://docs.example.org/")
    page.goto(f"/runs/{queued.id}")
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_label("Reason").fill("wrong site")
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#run-head .title .chip").first).to_have_text("Cancelled")
    context.close()
