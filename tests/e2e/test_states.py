"""An operator walks through states: scrubs, asks who wrote a place, compares; by mouse and by keys."""

import pytest
from playwright.sync_api import Page, expect

from runs.models import AgentVersion
from tests.ui import stories

pytestmark = pytest.mark.django_db(transaction=True)


def test_scrub_blame_and_compare_by_mouse(desk: Page, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=20)
    desk.goto(f"/runs/{run.id}/state")
    desk.locator(".state a.key:visible", has_text="status").first.click()
    expect(desk.locator("#place")).to_contain_text("/report/status")
    expect(desk.locator(".writers li").first).to_contain_text("publish")
    box = desk.locator("#scrub-at").bounding_box()
    assert box
    desk.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(desk.locator("#state-view .bar")).to_contain_text("read")
    expect(desk.locator("#place")).to_contain_text("/report/status")
    assert "seq=" in desk.url
    assert "at=" in desk.url
    desk.go_back()
    desk.goto(f"/runs/{run.id}/state?at=/report/status")
    desk.get_by_role("link", name="what it changed").first.click()
    expect(desk.locator(".diff-card").first).to_be_visible()
    assert "/diff/" in desk.url


def test_walk_by_keys(desk: Page, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=20)
    desk.goto(f"/runs/{run.id}/state")
    last = desk.locator("#state-view").get_attribute("data-seq")
    desk.keyboard.press("[")
    expect(desk.locator("#state-view")).not_to_have_attribute("data-seq", last or "")
    here = desk.locator("#state-view").get_attribute("data-seq")
    desk.locator("#scrub-at").focus()
    desk.keyboard.press("ArrowLeft")
    expect(desk.locator("#state-view")).not_to_have_attribute("data-seq", here or "")
    expect(desk.locator("#scrub-at")).to_be_focused()
    desk.locator("#scrub-at").blur()
    desk.keyboard.press("d")
    expect(desk.locator(".diff-card").first).to_be_visible()
    desk.keyboard.press("n")
    expect(desk.locator("#c1")).to_be_focused()
    desk.keyboard.press("n")
    expect(desk.locator("#c2")).to_be_focused()
    expect(desk.locator(".diff-places a[aria-current]")).to_have_attribute("href", "#c2")
    desk.keyboard.press("N")
    expect(desk.locator("#c1")).to_be_focused()
    at = desk.url.split("#")[0]
    desk.keyboard.press("[")
    desk.wait_for_url(lambda url: url.split("#")[0] != at)
    expect(desk.locator(".diff-card").first).to_be_visible()


def test_find_is_one_key_away_and_leads_to_the_step(desk: Page, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=20)
    desk.goto(f"/runs/{run.id}")
    desk.keyboard.press("f")
    desk.keyboard.type("enum.16")
    desk.keyboard.press("Enter")
    expect(desk.locator("#find-more")).to_contain_text("searched")
    desk.locator(".hits a", has_text="http.get").first.click()
    expect(desk.locator("#inspector")).to_contain_text("enum.16")
