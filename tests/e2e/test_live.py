"""Pages that change by themselves, over the websocket and without it."""

import pytest
from playwright.sync_api import Page, expect

from agentops.accounts.models import User
from runs import broadcasts
from runs.models import AgentVersion, Run, Step
from runs.services.start_run import start_run
from tests.personas import actor
from tests.runs import drive
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db(transaction=True)


def add_nodes(run: Run, builder: RunBuilder, *names: str) -> None:
    """Commit nodes of a running run, as a worker would, and hint."""
    last = Step.objects.filter(run=run).order_by("-seq").first()
    first = last.seq + 1 if last else 1
    Step.objects.bulk_create(
        Step(
            run=run, seq=seq, team_id=run.team_id, kind="node", name=name, status="succeeded", epoch=1,
            started_at=builder.clock, ended_at=builder.now,
        )
        for seq, name in enumerate(names, first)
    )  # fmt: skip
    n = Step.objects.filter(run=run).count()
    Run.objects.filter(pk=run.pk).update(
        n_steps=n, node_seq=first + len(names), head_seq=first + len(names) - 1
    )
    broadcasts.hint(run.team_id, run.id)


def a_running_run(version: AgentVersion) -> tuple[Run, RunBuilder]:
    builder = RunBuilder(version, seconds_ago=20)
    builder.node("plan", overhead_seconds=2.0)
    return builder.save(status="running", node="work"), builder


def test_new_steps_appear_while_following_and_wait_otherwise(desk: Page, version: AgentVersion) -> None:
    run, builder = a_running_run(version)
    desk.goto(f"/runs/{run.id}")
    expect(desk.locator("#live")).to_have_text("Live")
    add_nodes(run, builder, "alpha", "beta")
    expect(desk.locator("#tree")).to_contain_text("beta")
    desk.keyboard.press("l")
    expect(desk.locator("#follow")).to_have_attribute("aria-pressed", "false")
    add_nodes(run, builder, "gamma", "delta", "epsilon")
    expect(desk.get_by_role("button", name="3 new steps")).to_be_visible()
    expect(desk.locator("#tree")).not_to_contain_text("epsilon")
    desk.get_by_role("button", name="3 new steps").click()
    expect(desk.locator("#tree")).to_contain_text("epsilon")
    expect(desk.locator("#offer")).to_have_count(0)


def test_bars_keep_their_places_when_the_axis_grows(desk: Page, version: AgentVersion) -> None:
    """Whatever the page did to its bars as the run went on, loading it anew changes nothing visible."""
    builder = RunBuilder(version, seconds_ago=9)
    for name in ("plan", "fetch", "parse"):
        builder.node(name, overhead_seconds=2.0)
    run = builder.save(status="running", node="work")
    desk.goto(f"/runs/{run.id}")
    expect(desk.locator("#live")).to_have_text("Live")
    axis = desk.locator("#tree").get_attribute("data-axis")
    for number in range(20):
        add_nodes(run, builder, f"step{number}")
        desk.wait_for_timeout(1000)
        if desk.locator("#tail").get_attribute("data-axis") != axis:
            break
    expect(desk.locator("#tree .chunk").first).to_have_attribute(
        "data-axis", desk.locator("#tail").get_attribute("data-axis") or ""
    )
    grown = places(desk)
    desk.reload()
    assert places(desk)[:3] == pytest.approx(grown[:3], abs=2.0)


def places(page: Page) -> list[float]:
    """Return where the bars of the first rows begin, in percent."""
    bars = page.locator("#tree .wf rect").all()
    return [float((bar.get_attribute("x") or "0").rstrip("%")) for bar in bars]


def test_an_opened_fold_and_the_focus_outlive_what_comes_in(desk: Page, version: AgentVersion) -> None:
    builder = RunBuilder(version, seconds_ago=120)
    for number in range(12):
        stories.read_page(builder, number)
    run = builder.save(status="running", node="read")
    desk.goto(f"/runs/{run.id}")
    expect(desk.locator("#live")).to_have_text("Live")
    desk.get_by_role("row", name="read × 12").get_by_role("button", name="Open").click()
    expect(desk.locator("#tree .in [role=row]").first).to_be_visible()
    add_nodes(run, builder, "read", "read")
    expect(desk.get_by_role("button", name="new steps")).to_be_visible()
    expect(desk.locator("#s3")).to_be_visible()
    expect(desk.locator("#sf1")).to_be_focused()


def test_rows_of_the_list_are_patched_and_new_runs_are_offered(
    desk: Page, version: AgentVersion, ada: User
) -> None:
    builders.an_agent(version.team, "steps", {"type": "object"}, "test-steps")
    run, _made = start_run(actor=actor(ada), agent="steps", input={"n": 2})
    desk.goto("/runs")
    row = desk.locator(f"#run-{run.id}")
    expect(row).to_contain_text("Queued")
    expect(desk.locator("#live")).to_have_text("Live")
    desk.locator(f"#open-{run.id}").focus()
    drive(run)
    expect(row).to_contain_text("Succeeded")
    expect(desk.locator(f"#open-{run.id}")).to_be_focused()
    newer = RunBuilder(version, title="A newer one", seconds_ago=0).save(status="queued")
    broadcasts.hint(newer.team_id, newer.id)
    expect(desk.locator("#newer")).to_contain_text("1 new")
    expect(desk.locator("[data-run]")).to_have_count(1)
    desk.keyboard.press(".")
    expect(desk.locator("[data-run]")).to_have_count(2)


def test_the_first_run_appears_on_the_empty_list(desk: Page, version: AgentVersion) -> None:
    desk.goto("/runs")
    expect(desk.get_by_text("Nothing has run yet.")).to_be_visible()
    expect(desk.locator("#live")).to_have_text("Live")
    run = RunBuilder(version, seconds_ago=0).save(status="queued")
    broadcasts.hint(run.team_id, run.id)
    expect(desk.locator(f"#run-{run.id}")).to_be_visible()


def test_without_a_socket_it_polls_and_says_how_old_it_is(desk: Page, version: AgentVersion) -> None:
    run, _builder = a_running_run(version)
    desk.route_web_socket("**/ws/hints", lambda socket: socket.close())
    desk.goto(f"/runs/{run.id}")
    expect(desk.locator("#live")).to_contain_text("Data as of")
    Run.objects.filter(pk=run.pk).update(progress_done=7, progress_total=9)
    expect(desk.locator(".vitals")).to_contain_text("7 of 9", timeout=8000)
