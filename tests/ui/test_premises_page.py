"""Premises on the run's pages: what a person goes by, and both values when it has changed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import User
from runs.models import Run, Step, Wait
from runs.services.advance import advance
from runs.services.start_run import start_run
from tests import ledger
from tests.market import Market, a_market
from tests.personas import World, actor
from tests.runs import a_worker, claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    ledger.create()
    with a_market(monkeypatch) as found:
        yield found


def asking(world: World, market: Market, **more: Any) -> Run:
    premise = {"kind": "json", "of": market.url, "pointer": "/quote/price", "name": "the <b>price"}
    state = {"entry": "share", "premises": [premise], **more}
    run, _ = start_run(actor=actor(world.ada), agent="test-buys", input=state)
    advance(claim(a_worker()))
    return run


def allow(client: Client, run: Run) -> None:
    seq = Wait.objects.get(run=run, closed_at=None).seq
    assert client.post(f"/runs/{run.pk}/waits/{seq}", {"type": "approve"}).status_code == 302
    advance(claim(a_worker()))


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_question_says_what_the_person_goes_by(
    world: World, client_for: Callable[[User], Client], market: Market
) -> None:
    run = asking(world, market)
    page = shown(client_for(world.ada), f"/runs/{run.pk}/waits")
    assert "What you go by" in page
    assert "the &lt;b&gt;price: <b><code>100</code></b>" in page
    assert "has changed since" not in page


def test_when_it_has_changed_both_values_stand_there(
    world: World, client_for: Callable[[User], Client], market: Market
) -> None:
    ada, run = client_for(world.ada), asking(world, market)
    market.price = 105
    allow(ada, run)
    both = "was <del><code>100</code></del>, is <ins><b><code>105</code></b></ins>"
    page = shown(ada, f"/runs/{run.pk}/waits")
    assert both in page
    assert "It was allowed before. What it went by has changed since, so nothing was done." in page
    step = Step.objects.get(run=run, kind="tool", name="test.buy")
    page = shown(ada, f"/runs/{run.pk}/steps/{step.seq}")
    assert both in page
    assert "premise_failed" in page


def test_the_api_tells_both_values(world: World, api: Callable[..., Client], market: Market) -> None:
    run, client = asking(world, market), api(world.ada, world.analytical)
    market.price = 105
    seq = Wait.objects.get(run=run).seq
    client.post(
        f"/api/v1/runs/{run.pk}/steps/{seq}/answer", {"type": "approve"}, content_type="application/json"
    )
    advance(claim(a_worker()))
    step = Step.objects.get(run=run, kind="tool", name="test.buy")
    [told] = client.get(f"/api/v1/runs/{run.pk}/steps/{step.seq}").json()["premises"]
    assert (told["value"], told["found"]) == (100, 105)
