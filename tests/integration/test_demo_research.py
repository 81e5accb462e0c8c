"""`site-research` on the real shell: a hundred real pages over HTTP, every step in PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from agentops.accounts.roles import Actor, Scope
from approvals.models import Request
from approvals.services.decide import Choice, decide
from runs.checkpoints.verify import verify_run
from runs.engine.retry import ONCE
from runs.models import Branch, Checkpoint, Intent, Run, Step
from runs.services.advance import advance
from runs.services.sweep import wake_due
from runs.tools import registry
from tests.demo import a_site_process, control
from tests.runs import a_run, a_worker, claim, drive, make_due, output, state

pytestmark = pytest.mark.django_db
PAGES = 110


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_site_process() as address:
        yield address


@pytest.fixture(autouse=True)
def _quick_site(url: str, settings: Any) -> None:
    settings.DEMO_SITE_URL = url
    control(url)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `http.get` fail at its first try, so that the ladder has its turn without waiting."""
    monkeypatch.setitem(registry._tools, "http.get", replace(registry.get_tool("http.get"), retry=ONCE))


def ledger(url: str) -> Any:
    return httpx.get(f"{url}_ledger", trust_env=False).json()


def test_a_hundred_pages_are_read_under_faults_and_the_report_cites_them(url: str) -> None:
    control(url, faults={"429": 0.02, "500": 0.03, "cut": 0.02, "malformed": 0.02}, seed=1)
    run = drive(a_run("site-research", {"max_pages": PAGES, "ask_first": False}), slices=1000)
    result, pages = output(run), state(run)["pages"]

    assert (run.status, run.error) == ("succeeded", None)
    assert (run.progress_done, run.progress_total) == (PAGES, PAGES)
    assert result["pages"] + len(result["skipped"]) == PAGES
    assert result["pages"] >= 100
    assert all(f"(<{page['url']}>)" in result["report"] for page in pages)
    assert run.n_retries > 0, "the faults were met"


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("seed", range(6))
def test_a_site_that_fails_most_of_the_time_is_read_all_the_same_and_healing_is_told(
    url: str, seed: int
) -> None:
    faults = {"429": 0.1, "500": 0.1, "cut": 0.05, "malformed": 0.05, "hang": 0.05, "timeout": 0.05}
    control(url, faults=faults, seed=seed, hang_seconds=0.01)
    run = drive(a_run("site-research", {"max_pages": 6, "ask_first": False}), slices=1000)
    branches = Branch.objects.filter(run=run, cause="heal")

    assert (run.status, run.error) == ("succeeded", None)
    assert output(run)["pages"] + len(output(run)["skipped"]) == 6
    assert branches.exists()
    assert all(row.reason.startswith("rung ") for row in branches)
    assert verify_run(run).is_clean


@pytest.mark.usefixtures("_impatient")
def test_a_page_that_no_rung_brings_is_skipped_and_listed(url: str, settings: Any) -> None:
    settings.AGENTOPS = {"slice_steps": 1}
    run = a_run("site-research", {"max_pages": 5, "ask_first": False})
    drive_to(run, "read")
    control(url, faults={"500": 1})
    until = time.monotonic() + 60
    while run.node == "read" and time.monotonic() < until:
        drive_on(run)
    control(url)
    run = drive(run)

    assert (run.status, len(output(run)["skipped"])) == ("succeeded", 5)
    assert all("whatever was tried" in page["reason"] for page in output(run)["skipped"])
    assert Branch.objects.filter(run=run, reason__startswith="rung 3 of 3: skip http.get").count() == 5


@pytest.mark.usefixtures("_impatient")
def test_the_answer_of_last_week_serves_where_the_site_is_away(url: str) -> None:
    first = drive(a_run("site-research", {"max_pages": 5, "ask_first": False}))
    control(url, faults={"500": 1})
    run = a_run("site-research", {"max_pages": 5, "ask_first": False})
    until = time.monotonic() + 60
    while run.node != "publish" and time.monotonic() < until:
        drive_on(run)
    control(url)
    run = drive(run)

    assert (run.status, output(run)["skipped"]) == ("succeeded", [])
    assert output(run)["report"] == output(first)["report"]
    cached = Step.objects.filter(run=run, reuse="cached").values("summary").distinct()
    assert cached.count() == 8, "robots.txt, the first page, the site map, and five pages"


def test_the_report_waits_for_a_yes_and_is_published_as_it_was_changed(url: str) -> None:
    run = a_run("site-research", {"max_pages": 5})
    while run.status != "awaiting_approval":
        drive_on(run)
    asked = Request.objects.get(run=run)
    assert (asked.action, asked.effect) == ("report.publish", "write")
    ada = Actor(run.team_id, None, "ada", frozenset(Scope))
    edit = Choice(
        "edit", {**(asked.args or {}), "title": "Week 47"}, version=1, args_digest=asked.args_digest
    )
    decide(actor=ada, request_id=asked.pk, choice=edit)
    run = drive(run)
    assert run.status == "succeeded"
    assert "Week 47" in httpx.get(output(run)["published_url"], trust_env=False).text
    assert Request.objects.get(run=run).used_at is not None


def drive_to(run: Run, node: str) -> None:
    while run.node != node:
        advance(claim(a_worker()))
        run.refresh_from_db()


def drive_on(run: Run) -> None:
    """Advance one slice; a run that sleeps is due at once."""
    make_due(run)
    wake_due()
    advance(claim(a_worker()))
    run.refresh_from_db()


def test_every_page_is_a_step_with_its_name_and_a_checkpoint(url: str) -> None:
    run = drive(a_run("site-research", {"max_pages": 8, "ask_first": False}))
    nodes = Step.objects.filter(run=run, kind="node").order_by("seq")
    reads = [step.summary for step in nodes.filter(name="read")]

    assert [step.name for step in nodes] == ["plan", *["read"] * 9, "outline", "write", "publish"]
    assert reads == [*(page["title"] for page in state(run)["pages"]), "all pages read"]
    assert Checkpoint.objects.filter(run=run, kind="d").count() == len(nodes)
    assert len(state(run, nodes[3].seq)["pages"]) == 3, "the state after the third page"


def test_a_report_whose_publication_was_not_acknowledged_is_published_once(url: str, settings: Any) -> None:
    settings.AGENTOPS = {"slice_steps": 1}
    before = set(ledger(url)["applied"])
    run, worker_id = a_run("site-research", {"max_pages": 5, "ask_first": False}), a_worker()
    while run.node != "publish":
        advance(claim(worker_id))
        run.refresh_from_db()

    control(url, faults={"cut": 1})
    healer = threading.Thread(target=_heal_once_something_is_applied, args=(url, before))
    healer.start()
    run = drive(run, worker_id=worker_id)
    healer.join()
    applied = {key: n for key, n in ledger(url)["applied"].items() if key not in before}

    assert run.status == "succeeded"
    assert applied == {Intent.objects.get(run=run).idempotency_key: 1}
    assert Step.objects.get(run=run, name="report.publish").attempts > 1, "the first answer was lost"
    assert httpx.get(output(run)["published_url"], trust_env=False).status_code == 200


def _heal_once_something_is_applied(url: str, before: set[str]) -> None:
    until = time.monotonic() + 30
    while set(ledger(url)["applied"]) == before and time.monotonic() < until:
        time.sleep(0.01)
    control(url)
