"""`site-research` on the real shell: a hundred real pages over HTTP, every step in PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runs.models import Checkpoint, Intent, Step
from runs.services.advance import advance
from tests.demo import a_site_process, control
from tests.runs import a_run, a_worker, claim, drive, output, state

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


def ledger(url: str) -> Any:
    return httpx.get(f"{url}_ledger", trust_env=False).json()


def test_a_hundred_pages_are_read_under_faults_and_the_report_cites_them(url: str) -> None:
    control(url, faults={"429": 0.02, "500": 0.03, "cut": 0.02, "malformed": 0.02}, seed=1)
    run = drive(a_run("site-research", {"max_pages": PAGES}), slices=1000)
    result, pages = output(run), state(run)["pages"]

    assert (run.status, run.error) == ("succeeded", None)
    assert (run.progress_done, run.progress_total) == (PAGES, PAGES)
    assert result["pages"] + len(result["skipped"]) == PAGES
    assert result["pages"] >= 100
    assert all(f"(<{page['url']}>)" in result["report"] for page in pages)
    assert run.n_retries > 0, "the faults were met"


def test_every_page_is_a_step_with_its_name_and_a_checkpoint(url: str) -> None:
    run = drive(a_run("site-research", {"max_pages": 8}))
    nodes = Step.objects.filter(run=run, kind="node").order_by("seq")
    reads = [step.summary for step in nodes.filter(name="read")]

    assert [step.name for step in nodes] == ["plan", *["read"] * 9, "outline", "write", "publish"]
    assert reads == [*(page["title"] for page in state(run)["pages"]), "all pages read"]
    assert Checkpoint.objects.filter(run=run, kind="d").count() == len(nodes)
    assert len(state(run, nodes[3].seq)["pages"]) == 3, "the state after the third page"


def test_a_report_whose_publication_was_not_acknowledged_is_published_once(url: str, settings: Any) -> None:
    settings.AGENTOPS = {"slice_steps": 1}
    before = set(ledger(url)["applied"])
    run, worker_id = a_run("site-research", {"max_pages": 5}), a_worker()
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
