"""A newcomer signs in, starts a run from the form, and sees it happen."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from agentops.accounts.models import User
from agentops.accounts.services.create_sign_in_link import create_sign_in_link
from runs.models import AgentVersion, Run
from tests.e2e.browser import Complaints
from tests.e2e.server import WebServer
from tests.runs import drive
from tests.ui import builders

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_the_sign_in_link_to_a_finished_run(
    browser: Browser, server: WebServer, ada: User, version: AgentVersion, complaints: Complaints
) -> None:
    builders.an_agent(version.team, "steps", {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "title": "Steps"}}, "required": ["n"]}, "test-steps")  # fmt: skip
    context = browser.new_context(base_url=server.url)
    page = complaints.watch(context.new_page())
    page.goto(create_sign_in_link(user=ada))
    page.get_by_role("button").first.click()
    expect(page.get_by_role("heading", name="What needs you")).to_be_visible()
    expect(page.get_by_text("No run was created in this time.")).to_be_visible()

    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Start a run")).to_be_visible()
    page.get_by_role("navigation", name="Agent").get_by_role("link", name="steps").click()
    page.get_by_label("Steps").fill("0")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#in-n-error")).to_contain_text("0 is less than the minimum of 1")
    complaints.told.clear()  # the answer 422, which the browser reports
    expect(page.get_by_label("Steps")).to_have_value("0")
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name="Start").dblclick()

    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    run = Run.objects.get()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#run-head .title .chip").first).to_have_text("Queued")
    drive(run)
    expect(page.locator("#run-head .title .chip").first).to_have_text("Succeeded")
    expect(page.locator("#live")).to_have_text("Ended")
    expect(page.locator("#tree [role=row]")).to_have_count(3)
    context.close()


def test_signing_in_with_a_password_that_is_wrong_then_right(
    browser: Browser, server: WebServer, ada: User, version: AgentVersion, complaints: Complaints
) -> None:
    ada.set_password("correct horse battery")
    ada.save()
    context = browser.new_context(base_url=server.url)
    page = complaints.watch(context.new_page())
    page.goto("/agents")
    page.get_by_label("E-mail or user name").fill("ada@example.org")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    context.close()


def test_cancelling_from_the_dialog(desk: Page, version: AgentVersion) -> None:
    run = builders.RunBuilder(version).save(status="queued")
    desk.goto(f"/runs/{run.id}")
    desk.get_by_role("link", name="Cancel…").click()
    dialog = desk.get_by_role("dialog", name="Cancel this run?")
    dialog.get_by_label("Reason").fill("wrong site")
    dialog.get_by_role("button", name="Cancel the run").click()
    expect(desk.locator("#run-head .note")).to_contain_text("Cancelled by ada.wrong site")
