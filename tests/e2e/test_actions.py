"""An operator pauses, resumes and kills a run, and answers what nobody knows, in a browser."""

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from agentops.accounts.models import Team
from runs.models import AgentVersion, Run, Step
from runs.services.register_programs import register_programs
from tests.e2e.browser import Complaints
from tests.e2e.test_accessible import violations
from tests.runs import drive
from tests.ui import builders
from tests.ui.test_actions import an_unknown_run

pytestmark = pytest.mark.django_db(transaction=True)


def clean(page: Page) -> list[str]:
    """Return what axe finds, at both widths and in both themes; the window is as it was afterwards."""
    told = []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            told += [f"{width} {theme}: {line}" for line in violations(Axe().run(page))]
        wide = page.evaluate("document.documentElement.scrollWidth")
        told += [f"{wide} px wide"] if wide > width else []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    return told


def test_pausing_resuming_and_killing(desk: Page, version: AgentVersion) -> None:
    run = builders.RunBuilder(version).save(status="queued")
    desk.goto(f"/runs/{run.id}")
    chip = desk.locator("#run-head .title .chip").first
    desk.get_by_role("link", name="Pause…").click()
    dialog = desk.get_by_role("dialog", name="Pause this run?")
    dialog.get_by_label("Reason").fill("the site is down")
    assert clean(desk) == []
    dialog.get_by_role("button", name="Pause the run").click()
    expect(chip).to_have_text("Paused")
    expect(desk.locator("#run-head .note")).to_contain_text("the site is down")

    desk.get_by_role("button", name="Resume").dblclick()
    expect(chip).to_have_text("Queued")

    dialog = desk.get_by_role("dialog", name="Kill this run?")
    desk.wait_for_load_state("networkidle")  # both answers to the double click are in place
    desk.get_by_role("link", name="Kill…").click()
    expect(dialog).to_contain_text("may have happened all the same")
    dialog.get_by_role("button", name="Kill the run").click()  # refused by the browser: the word is not typed
    expect(dialog).to_be_visible()
    assert clean(desk) == []
    dialog.get_by_label("Reason").fill("it burns money")
    dialog.get_by_label("Type kill to confirm").fill("kill")
    dialog.get_by_role("button", name="Kill the run").click()
    expect(chip).to_have_text("Cancelled")
    expect(desk.locator("#run-head .note")).to_contain_text("it burns money")


def test_answering_what_nobody_knows(desk: Page, team: Team, complaints: Complaints) -> None:
    builders.living_system()
    run = an_unknown_run(team)
    desk.goto(f"/runs/{run.id}")
    expect(desk.locator("#question")).to_contain_text("Nobody knows whether test.once happened.")
    assert clean(desk) == []
    desk.get_by_role("link", name="Answer…").click()
    dialog = desk.get_by_role("dialog", name="Nobody knows whether test.once happened.")
    dialog.get_by_label("It did not run").check()
    expect(dialog.get_by_label("What it returned")).to_be_hidden()
    dialog.get_by_role("radio", name="It ran").check()
    dialog.get_by_label("What it returned").fill("{}")
    dialog.get_by_label("How do you know?").fill("it is in the books")
    assert clean(desk) == []
    dialog.get_by_role("button", name="Record the answer").click()

    expect(desk.locator("#p-output-error")).to_contain_text('"id" is a required property')
    complaints.told.clear()  # the answer 422, which the browser reports
    assert clean(desk) == []
    form = desk.locator("#p-output").locator("xpath=ancestor::form")
    expect(form.get_by_label("How do you know?")).to_have_value("it is in the books")
    form.get_by_label("What it returned").fill('{"id": 7}')
    form.get_by_role("button", name="Record the answer").click()
    chip = desk.locator("#run-head .title .chip").first
    expect(chip).to_have_text("Queued")
    assert Step.objects.get(run=run, seq=2).status == "succeeded"
    drive(Run.objects.get(pk=run.pk))
    expect(chip).to_have_text("Succeeded")


def test_what_somebody_types_at_the_step_survives_what_happens(desk: Page, team: Team) -> None:
    builders.living_system()
    run = an_unknown_run(team)
    desk.goto(f"/runs/{run.id}/steps/2")
    form = desk.locator("#inspector form.resolve")
    form.get_by_label("How do you know?").fill("I asked the bank")
    desk.get_by_role("heading", level=1).click()
    desk.evaluate("htmx.trigger(document.getElementById('inspector'), 'refresh')")
    desk.wait_for_timeout(400)
    expect(form.get_by_label("How do you know?")).to_have_value("I asked the bank")


def test_retrying_a_group_of_dead_letters(desk: Page, team: Team) -> None:
    builders.living_system()
    register_programs(team_id=team.pk)
    version = AgentVersion.objects.get(team=team, program="test-steps")
    for _ in range(2):
        error = {"code": "timeout", "node": "step", "seq": 1, "message": "the site sent nothing"}
        builders.RunBuilder(version).save(status="failed", error=error, node="step", node_seq=1)
    desk.goto("/runs")
    desk.get_by_role("link", name="Dead letters 2").click()
    assert clean(desk) == []
    desk.get_by_role("button", name="Retry all 2").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("2 runs are queued again.")
    assert clean(desk) == []
    assert Run.objects.filter(status="queued").count() == 2
