"""An admin makes an agent, tries it, publishes, changes and compares it, and rolls back while a run goes on: in a browser."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from agentops.demo.rehearsal.server import RehearsalModel
from runs.models import AgentVersion, Run
from tests.definitions import calling, script
from tests.e2e.test_actions import clean
from tests.rehearsal import provider, rehearsal_model
from tests.runs import drive, output

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model(team: Team) -> Iterator[RehearsalModel]:
    with rehearsal_model() as found:
        provider(team.pk, found)
        yield found


def start_here(desk: Page, task: str) -> Run:
    """Start a run from the form that is open, and return it."""
    desk.get_by_label("Task").fill(task)
    desk.get_by_role("button", name="Start", exact=True).click()
    desk.wait_for_url("**/runs/*-*")
    return Run.objects.select_related("agent_version").get(pk=desk.url.rsplit("/", 1)[1])


def test_an_agent_is_made_tried_published_compared_and_rolled_back(
    desk: Page, team: Team, version: AgentVersion, model: RehearsalModel
) -> None:
    desk.goto("/agents")
    desk.get_by_role("link", name="New agent").click()
    desk.get_by_label("Name", exact=True).fill("clerk")
    desk.get_by_label("Title").fill("Clerk")
    desk.get_by_label("Instructions").fill("You keep notes.")
    desk.get_by_role("checkbox", name="files.write compute").check()
    box = desk.get_by_label("The definition as JSON")
    expect(box).to_have_value(re.compile('"files.write"'))
    told = json.loads(box.input_value())
    told["tools"] += ["files.read", "no.such"]
    box.fill(json.dumps(told))
    expect(desk.locator("#checked")).to_contain_text("there is no tool 'no.such'")
    expect(desk.locator("#slot-in-tools")).to_contain_text("there is no tool 'no.such'")
    told["tools"].remove("no.such")
    box.fill(json.dumps(told))
    expect(desk.locator("#checked")).to_contain_text("It is a definition.")
    expect(desk.get_by_role("checkbox", name="files.read read")).to_be_checked()
    desk.locator("summary", has_text="Schedules").click()
    hours = desk.get_by_role("group", name="Another one").filter(has=desk.get_by_label("When, cron"))
    hours.get_by_label("Called").fill("Mornings")
    hours.get_by_label("When, cron").fill("at seven")
    expect(desk.locator("[id='slot-in-schedules.0.cron']")).to_contain_text("five fields")
    hours.get_by_label("When, cron").fill("0 7 * * *")
    hours.get_by_label("Input, JSON").fill('{"task": "Note the day."}')
    expect(box).to_have_value(re.compile("Note the day"))
    expect(desk.locator("#checked")).to_contain_text("It is a definition.")
    assert clean(desk) == []
    desk.set_viewport_size({"width": 1440, "height": 900})
    desk.get_by_role("button", name="Save a version").click()

    desk.wait_for_url("**/agents/clerk/versions")
    desk.get_by_role("link", name="Try v1").click()
    expect(desk.locator("form.form")).to_contain_text("not published")
    write = {"calls": [calling("files.write", path="a.md", text="noted")]}
    tried = drive(start_here(desk, script(write, {"finish": "kept"})))
    assert (tried.status, output(tried), tried.agent_version.number) == ("succeeded", {"output": "kept"}, 1)
    desk.goto("/agents/clerk/versions")
    desk.get_by_role("button", name="Publish v1").click()
    expect(desk.get_by_role("row", name="v1")).to_contain_text("Live")

    desk.get_by_role("link", name="Edit", exact=True).click()
    desk.get_by_label("Instructions").fill("You keep notes, short ones.")
    desk.get_by_label("What changed, and why").fill("shorter")
    desk.get_by_role("button", name="Save a version").click()
    expect(desk.locator(".difference")).to_contain_text("You keep notes, short ones.")
    expect(desk.get_by_role("row", name="v2")).to_contain_text("shorter")
    assert clean(desk) == []
    desk.set_viewport_size({"width": 1440, "height": 900})
    desk.get_by_role("button", name="Publish v2").click()
    expect(desk.get_by_role("row", name="v1")).to_contain_text("Earlier")

    desk.get_by_role("link", name="Start a run").click()
    under_way = start_here(desk, script(write, {"finish": "by the second"}))
    desk.goto("/agents/clerk/versions")
    desk.get_by_role("button", name="Roll back to this v1").click()
    expect(desk.get_by_role("row", name="v2")).to_contain_text("Withdrawn")
    drive(under_way)
    assert (under_way.agent_version.number, output(under_way)) == (2, {"output": "by the second"})
    desk.get_by_role("link", name="Start a run").click()
    assert start_here(desk, script({"finish": "x"})).agent_version.number == 1

    desk.goto("/schedules")
    desk.get_by_role("link", name="Mornings").click()
    expect(desk.locator(".note").first).to_contain_text("It stands in the definition of clerk")
    desk.goto("/agents")
    expect(desk.locator("#agent-clerk")).to_contain_text("made here")
