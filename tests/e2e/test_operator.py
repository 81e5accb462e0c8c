"""An operator finds a failed run, understands it, and mends it: by mouse on a desk and on a phone, and by keys alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from runs.models import AgentVersion, Run
from runs.services.register_programs import register_programs
from tests import ledger
from tests.e2e.test_actions import clean
from tests.runs import a_run, drive, state

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mailing(version: AgentVersion) -> Run:
    """A run that thought ten times (1–10), sent one e-mail (12, in node 11), and failed at the next look (14)."""
    ledger.create()
    register_programs(team_id=version.team_id)
    team = Team.objects.get(pk=version.team_id)
    drive(a_run("test-steps", {"n": 2}, team=team))
    return drive(a_run("test-mailing", {"to": "ada"}, team=team))


def landed(desk: Page, parent: Run) -> Run:
    """Return the fork on whose page the browser has landed."""
    desk.wait_for_url(lambda url: bool(re.search(r"/runs/[0-9a-f-]{36}$", url)) and str(parent.pk) not in url)
    return Run.objects.get(pk=desk.url.rsplit("/", 1)[1])


@pytest.mark.parametrize("width", [1440, 390])
def test_from_the_failed_run_to_a_mended_one(desk: Page, mailing: Run, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 900})
    desk.goto("/runs")
    desk.get_by_role("navigation", name="Views").get_by_role("link", name="Failed").click()
    desk.locator("[data-row-link]").click()
    expect(desk.locator("#run-head .note")).to_contain_text("It failed at check")
    desk.locator("#run-head .note").get_by_role("link", name="See the step").click()
    expect(desk.locator("#inspector")).to_contain_text("closed")

    desk.locator("#tab-state").click()
    box = desk.locator("#scrub-at").bounding_box()
    assert box
    desk.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    desk.wait_for_url("**seq=*")
    desk.locator(".state a.key", has_text=re.compile("^n$")).first.click()
    expect(desk.locator("#place")).to_contain_text("/n")
    expect(desk.locator(".writers li").first).to_contain_text("think")
    desk.goto(f"/runs/{mailing.pk}/diff/3..10")
    expect(desk.locator("#c1")).to_contain_text("/n")

    desk.goto(f"/runs/{mailing.pk}/steps/10")
    desk.get_by_role("link", name="Fork from here…").click()
    preview = desk.locator("#preview")
    expect(preview).to_contain_text("Not repeated × 1")
    desk.get_by_label("Dry").check()
    expect(preview).to_contain_text("Simulated × 1")
    typed = desk.get_by_label("The state it begins with")
    typed.fill(typed.input_value().replace('"ada"', '"bob"'))
    expect(preview).to_contain_text("1 Changed")
    expect(preview).to_contain_text("bob")
    assert clean(desk) == []
    desk.set_viewport_size({"width": width, "height": 900})
    desk.get_by_label("Reason").fill("the wrong person")
    desk.get_by_role("button", name="Fork the run").click()
    child = landed(desk, mailing)
    assert (child.effect_mode, state(child)["to"]) == ("dry", "bob")
    ledger.allow_success()
    drive(child)
    expect(desk.locator("#run-head .title .chip").first).to_have_text("Succeeded")

    desk.locator("#compare-open").click()
    expect(desk.locator("#divergence")).to_contain_text("They part at send")
    expect(desk.locator("#divergence")).to_contain_text("it asks for something else")
    assert clean(desk) == []
    desk.set_viewport_size({"width": width, "height": 900})
    desk.get_by_role("link", name="Diff the states there").click()
    expect(desk.locator(".diff-card").first).to_be_visible()

    desk.goto(f"/runs/{mailing.pk}/fork?from=10")
    desk.get_by_label("Live").check()
    expect(preview).to_contain_text("Happens again × 1")
    desk.get_by_role("button", name="Fork the run").click()
    replay = landed(desk, mailing)
    drive(replay)
    expect(desk.locator("#run-head .title .chip").first).to_have_text("Succeeded")
    assert ledger.entries() == [("mail ada", 2)]


def test_the_same_by_keys_alone(desk: Page, mailing: Run) -> None:
    def press(*keys: str) -> None:
        for key in keys:
            desk.keyboard.press(key)

    desk.goto("/runs")
    press("/")
    desk.keyboard.type("status:failed ")
    press("Enter")
    desk.wait_for_url("**q=status*")
    press("j", "Enter")
    desk.wait_for_url(f"**/runs/{mailing.pk}")
    press("n")
    desk.wait_for_url("**/steps/*")
    expect(desk.locator("#inspector")).to_contain_text("closed")

    press("Control+k")
    desk.keyboard.type("state")
    expect(desk.locator("#palette-list [aria-selected=true]")).to_have_text("State")
    press("Enter")
    desk.wait_for_url("**/state")
    here = desk.locator("#state-view").get_attribute("data-seq") or ""
    press("[")
    expect(desk.locator("#state-view")).not_to_have_attribute("data-seq", here)
    press("d")
    expect(desk.locator(".diff-card").first).to_be_visible()
    press("n")
    expect(desk.locator("#c1")).to_be_focused()

    desk.goto(f"/runs/{mailing.pk}/steps/10")
    press("b")
    desk.wait_for_url("**/fork?from=10")
    desk.locator("[name=mode]:checked").focus()
    press("ArrowDown")
    expect(desk.locator("#preview")).to_contain_text("Simulated × 1")
    while not desk.evaluate("document.activeElement.id === 'reason'"):
        press("Tab")
    desk.keyboard.type("by keys")
    press("Enter")
    child = landed(desk, mailing)
    assert child.effect_mode == "dry"
    press("Control+k")
    desk.keyboard.type("compare")
    expect(desk.locator("#palette-list [aria-selected=true]")).to_contain_text("Compare")
    press("Enter")
    desk.wait_for_url("**/compare?a=*")
    expect(desk.locator(".sides")).to_contain_text("test-mailing")
