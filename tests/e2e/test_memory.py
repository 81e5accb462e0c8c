"""A person corrects what an agent remembers, on its page, and the agent's next run answers with it: in a browser."""

import pytest
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from memory.adapters import vectors
from runs.models import Run
from runs.services.register_programs import register_programs
from tests.e2e.browser import Complaints
from tests.e2e.test_actions import clean
from tests.runs import drive, output
from tests.ui import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agents(team: Team) -> None:
    builders.living_system()
    register_programs(team_id=team.pk)


def asked(desk: Page, question: str, learn: str = "") -> Run:
    """Start the agent from its form, let it run to its end, and see what it answered."""
    desk.goto("/runs/start?agent=test-concierge")
    desk.get_by_label("Question").fill(question)
    desk.get_by_label("Learn").fill(learn)
    desk.get_by_role("button", name="Start", exact=True).click()
    desk.wait_for_url("**/runs/*-*")
    return drive(Run.objects.get(pk=desk.url.rsplit("/", 1)[1]))


def test_a_memory_is_corrected_on_its_page_and_the_next_run_answers_with_it(
    desk: Page, agents: None, complaints: Complaints
) -> None:
    desk.goto("/memory/")
    expect(desk.locator("main")).to_contain_text("Nothing is remembered yet.")
    desk.get_by_role("link", name="Make a space").first.click()
    desk.wait_for_url("**/memory/new")
    desk.get_by_label("Name").fill("facts")
    desk.get_by_label("Title").fill("What we know")
    desk.get_by_role("button", name="Make the space").click()
    desk.wait_for_url("**/memory/facts")
    first = asked(desk, "Where is the office?", learn="The office is in Lisbon, by the river.")
    assert output(first) == {"answer": "The office is in Lisbon, by the river.", "trust": "agent"}

    desk.goto("/memory/")
    desk.get_by_role("searchbox", name="Words or a question").fill("which offise is it, by the river?")
    desk.get_by_role("button", name="Search", exact=True).click()
    desk.wait_for_url("**/memory/?q=*")
    expect(desk.locator("#hits li")).to_have_count(1)
    expect(desk.locator("#hits")).to_contain_text("letters #1" if vectors.is_available() else "words")
    assert clean(desk) == []
    desk.locator("#hits").get_by_role("link", name="office").click()
    desk.wait_for_url("**/memory/facts/office")
    expect(desk.locator("main")).to_contain_text("by an agent")
    desk.get_by_role("link", name="Change…").click()
    desk.wait_for_url("**/memory/facts/office/edit")
    desk.get_by_label("Text", exact=True).fill("The office is in Porto, at the station.")
    desk.get_by_label("Reason").fill("they moved in May")
    assert clean(desk) == []
    desk.get_by_role("button", name="Save as a revision").click()
    desk.wait_for_url("**/memory/facts/office")
    expect(desk.locator(".memory-text")).to_have_text("The office is in Porto, at the station.")
    expect(desk.locator(".history li")).to_have_count(2)
    expect(desk.locator(".history li").first).to_contain_text("they moved in May")
    expect(desk.locator(".history mark", has_text="Porto")).to_be_visible()
    assert clean(desk) == []

    second = asked(desk, "Where is the office?")
    assert output(second) == {"answer": "The office is in Porto, at the station.", "trust": "human"}
    desk.goto(f"/runs/{second.pk}/output")
    expect(desk.locator("main")).to_contain_text("The office is in Porto, at the station.")
    desk.goto(f"/memory/runs/{first.pk}")
    expect(desk.get_by_role("row", name="office")).to_contain_text("by a person")
    expect(desk.get_by_role("button", name="Undo")).to_have_count(0)
    assert complaints.told == []
