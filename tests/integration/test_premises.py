"""A permission holds for what the person saw: when that has changed, nothing is bought, and they are asked again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.codec import Encoded
from runs.checkpoints.store import genesis
from runs.journal.fence import execute
from runs.models import Attempt, Intent, Run, Step, Wait
from runs.selectors.steps import step_for
from runs.services import action_shell
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.resolve_step import resolve_step
from runs.services.sweep import wake_due
from runs.tools import premises
from tests import ledger
from tests.market import STOCK, Market, a_market
from tests.runs import a_run, a_team, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    with a_market(monkeypatch) as found:
        yield found


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def price(market: Market) -> dict[str, Any]:
    return {"kind": "json", "of": market.url, "pointer": "/quote/price", "name": "the price"}


def asking(*premises: dict[str, Any], **more: Any) -> Run:
    """Return a run that asks whether it may buy."""
    run = a_run("test-buys", {"entry": "share", "premises": list(premises), **more})
    return on(run)


def on(run: Run) -> Run:
    """Advance the run until it waits for a person or has ended; what it sleeps for is over at once."""
    for _ in range(40):
        run.refresh_from_db()
        if run.status == "awaiting_approval" or run.ended_at is not None:
            return run
        make_due(run)
        wake_due()
        run.refresh_from_db()
        if run.status == "queued":
            advance(claim(a_worker()))
    raise AssertionError(f"the run is {run.status}")


def question(run: Run) -> dict[str, Any]:
    assert run.status == "awaiting_approval", run.error and run.error["detail"]
    return Wait.objects.get(run=run, closed_at=None).details or {}


def answer(run: Run, reply: Any = "approve", **more: Any) -> Run:
    seq = Wait.objects.get(run=run, closed_at=None).seq
    answer_wait(actor=ada(), run_id=run.pk, seq=seq, reply=reply, **more)
    return on(run)


def failed_write(run: Run) -> Step:
    return Step.objects.get(run=run, name="test.buy", status="failed")


def test_while_the_premises_hold_the_action_happens(market: Market) -> None:
    run = asking(price(market))
    assert question(run)["premises"] == [
        {
            "kind": "json_path_equals",
            "name": "the price",
            "params": {"url": market.url, "pointer": "/quote/price"},
            "value": 100,
        }
    ]
    assert output(answer(run)) == {"applied": True}
    assert market.n_asked == 2
    assert ledger.entries() == [("share", 1)]


def test_a_price_that_moved_voids_the_permission_and_the_person_is_asked_again(market: Market) -> None:
    run = asking(price(market))
    market.price = 105
    run = answer(run)

    assert (run.status, ledger.n_asked()) == ("awaiting_approval", 0)
    [stated] = question(run)["premises"]
    assert (stated["before"], stated["value"]) == (100, 105)
    step = failed_write(run)
    assert step.error_code == "premise_failed"
    assert not Intent.objects.filter(run=run, seq=step.seq).exists()
    told = step_for(ada(), run.pk, step.seq).error
    assert told is not None
    assert told["message"] == "the price was 100 and is 105"
    assert [(it["value"], it["found"]) for it in told["premises"]] == [(100, 105)]

    assert output(answer(run)) == {"applied": True}
    assert ledger.entries() == [("share", 1)]


def test_control_without_the_second_look_the_stale_purchase_happens(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_shell, "second_look", lambda lease, entry: None)
    run = asking(price(market))
    market.price = 105
    assert output(answer(run)) == {"applied": True}
    assert ledger.entries() == [("share", 1)]


def test_an_agent_may_rather_fail(market: Market) -> None:
    run = asking(price(market), on_mismatch="fail")
    market.price = 105
    run = answer(run)
    assert (run.status, run.error["code"]) == ("failed", "premise_failed")
    assert "the price was 100 and is 105" in run.error["message"]
    assert ledger.n_asked() == 0


def test_a_person_is_not_asked_for_ever(market: Market) -> None:
    run = asking(price(market), max_asks=2, catch=True)
    for market.price in (101, 102):
        run = answer(run)
    [void] = output(run)["void"]
    assert (void["value"], void["found"]) == (101, 102)
    assert Wait.objects.filter(run=run).count() == 2
    assert ledger.n_asked() == 0


def test_a_price_that_came_back_before_the_action_voids_nothing(market: Market) -> None:
    run = asking(price(market))
    market.price = 105
    market.price = 100
    assert output(answer(run)) == {"applied": True}


def test_what_the_person_changed_is_proposed_when_they_are_asked_again(market: Market) -> None:
    run = asking(price(market))
    market.price = 105
    run = answer(run, "edit", args={"entry": "half a share"})
    assert question(run)["args"] == {"entry": "half a share"}
    answer(run)
    assert ledger.entries() == [("half a share", 1)]


def test_each_kind_is_looked_at_twice(market: Market, tmp_path: Path) -> None:
    file = tmp_path / "offer.pdf"
    file.write_text("100")
    STOCK["apple"] = 7
    premises = [
        {"kind": "etag", "of": market.url},
        {"kind": "file", "of": str(file)},
        {"kind": "python", "of": "test.stock", "item": "apple"},
    ]
    changes: list[Any] = [
        lambda: setattr(market, "price", 105),
        lambda: file.write_text("105"),
        lambda: STOCK.update(apple=6),
    ]
    run = asking(*premises)
    for place, change in enumerate(changes):
        change()
        run = answer(run)
        assert ["before" in it for it in question(run)["premises"]] == [n == place for n in range(3)]
        if place == 1:
            break
    changes[2]()
    run = answer(run)
    assert (run.status, run.error["code"]) == ("failed", "premise_failed")
    assert "test.stock was 7 and is 6" in run.error["message"]
    assert ledger.n_asked() == 0


class TestRowsOfADatabase:
    @pytest.fixture(autouse=True)
    def _databases(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("PREMISE_DATABASES", json.dumps({"crm": ledger.dsn()}))
        with psycopg.connect(ledger.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE outside_offers (id int, price int, seen int)")
            connection.execute("INSERT INTO outside_offers VALUES (7, 100, 0), (8, 1, 0), (8, 2, 0)")
            self.crm = connection
            yield
            connection.execute("DROP TABLE outside_offers")

    def row(self, **more: Any) -> dict[str, Any]:
        given = {
            "kind": "row",
            "of": "crm",
            "table": "outside_offers",
            "key": {"id": 7},
            "columns": ["price"],
        }
        return {**given, **more}

    def test_a_row_that_changed_voids_the_permission(self) -> None:
        run = asking(self.row())
        self.crm.execute("UPDATE outside_offers SET price = 105 WHERE id = 7")
        run = answer(run)
        [stated] = question(run)["premises"]
        assert stated["before"] != stated["value"]
        assert output(answer(run)) == {"applied": True}

    def test_other_columns_may_change(self) -> None:
        run = asking(self.row())
        self.crm.execute("UPDATE outside_offers SET seen = 1")
        assert output(answer(run)) == {"applied": True}

    def test_a_row_that_is_gone_has_changed(self) -> None:
        run = asking(self.row(), on_mismatch="fail")
        self.crm.execute("DELETE FROM outside_offers WHERE id = 7")
        run = answer(run)
        assert (run.status, run.error["code"], ledger.n_asked()) == ("failed", "premise_failed", 0)
        assert "and is null" in run.error["message"]

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"of": "erp"}, "names no database 'erp'; it names crm"),
            ({"key": {"id": 8}}, "more than one row"),
            ({"table": "outside_offers; DROP TABLE outside_offers"}, "does not exist"),
        ],
    )
    def test_where_no_row_can_be_told_nothing_is_asked(self, more: dict[str, Any], words: str) -> None:
        run = asking(self.row(**more))
        assert (run.status, run.error["code"]) == ("failed", "premise_unavailable")
        assert words in run.error["message"]


class TestTheBudget:
    def test_too_little_is_left_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        left = [500]
        monkeypatch.setattr(premises, "_budgets", [])
        premises.keep_budgets(lambda team, run, cost, tokens: left[0] >= cost)
        run = asking({"kind": "budget", "cost_microusd": 300}, on_mismatch="fail")
        assert question(run)["premises"][0]["value"] is True
        left[0] = 200
        run = answer(run)
        assert (run.error["code"], ledger.n_asked()) == ("premise_failed", 0)

    def test_where_none_is_kept_nobody_can_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(premises, "_budgets", [])
        run = asking({"kind": "budget", "cost_microusd": 300})
        assert run.error["code"] == "premise_unavailable"
        assert "no budget is kept for this run" in run.error["message"]


class TestNobodyCanLook:
    def test_an_outage_before_the_question_is_an_error_of_its_own(self, market: Market) -> None:
        market.status = 500
        run = asking(price(market))
        assert (run.status, run.error["code"]) == ("failed", "premise_unavailable")
        assert not Wait.objects.filter(run=run).exists()

    def test_an_outage_after_the_permission_is_waited_out_and_the_permission_stands(
        self, market: Market
    ) -> None:
        run = asking(price(market))
        market.status = 404
        seq = Wait.objects.get(run=run).seq
        answer_wait(actor=ada(), run_id=run.pk, seq=seq, reply="approve")
        advance(claim(a_worker()))
        run.refresh_from_db()
        assert (run.status, ledger.n_asked()) == ("sleeping", 0)
        step = failed_write(run)
        assert step.error_code == "premise_unavailable"
        assert "404" in Attempt.objects.get(run=run, seq=step.seq).message
        market.status = 200
        assert output(on(run)) == {"applied": True}
        assert Wait.objects.filter(run=run).count() == 1

    def test_an_outage_that_stays_fails_the_run_and_nothing_is_bought(self, market: Market) -> None:
        run = asking(price(market))
        market.status = 404
        run = answer(run)
        assert (run.status, run.error["code"]) == ("failed", "premise_unavailable")
        assert ledger.n_asked() == 0

    def test_a_value_that_is_not_there_is_said(self, market: Market) -> None:
        run = asking({**price(market), "pointer": "/quote/volume"})
        assert "nothing stands at /quote/volume" in run.error["message"]


class TestAWriteThatMayHaveHappened:
    """What has changed may be what the write itself did: its permission is not taken back in silence."""

    def test_one_that_is_in_flight_is_called_again_under_its_key(self, market: Market) -> None:
        run = asking(price(market))
        answer(run)
        left_in_flight(run)
        market.price = 105
        assert output(drive(run)) == {"applied": False}
        assert (ledger.n_asked(), ledger.entries()) == (2, [("share", 1)])

    def test_one_whose_answer_was_lost_is_asked_about_when_a_premise_has_changed(
        self, market: Market
    ) -> None:
        run = asking(price(market), tool="test.buy_slowly")
        seq = Wait.objects.get(run=run).seq
        answer_wait(actor=ada(), run_id=run.pk, seq=seq, reply="approve")
        advance(claim(a_worker()))
        market.price = 105
        run = on(run)
        assert (run.status, run.waiting_on["kind"], ledger.n_asked()) == ("awaiting_approval", "unknown", 1)
        step = run.waiting_on["seq"]
        resolve_step(
            actor=ada(), run_id=run.pk, seq=step, outcome="ran", reason="I saw it", version=run.epoch, output={"id": 1}
        )  # fmt: skip
        assert output(on(run)) == {"id": 1}
        assert ledger.entries() == [("share", 1)]

    def test_it_is_called_again_while_they_hold(self, market: Market) -> None:
        run = answer(asking(price(market), tool="test.buy_slowly"))
        assert output(run) == {"applied": False}
        assert ledger.entries() == [("share", 1)]


def left_in_flight(run: Run) -> None:
    """Leave what a worker leaves that is killed between the call of a write and the commit of its outcome."""
    execute("DELETE FROM runs_checkpoint WHERE run_id = %(id)s", {"id": run.pk})
    execute("DELETE FROM runs_step WHERE run_id = %(id)s AND kind = 'node'", {"id": run.pk})
    write = Step.objects.get(run=run, kind="tool", name="test.buy")
    place = {"id": run.pk, "seq": write.seq}
    execute(
        "UPDATE runs_step SET status = 'running', attempts = 0 WHERE run_id = %(id)s AND seq = %(seq)s", place
    )
    execute(
        "UPDATE runs_outcome SET body = NULL, mac = '' WHERE run_id = %(id)s AND seq = %(seq)s RETURNING 1",
        place,
    )
    execute("UPDATE runs_intent SET settled_at = NULL WHERE run_id = %(id)s AND seq = %(seq)s", place)
    Run.objects.filter(pk=run.pk).update(
        status="queued", worker_id=None, output=None, ended_at=None, head_seq=0, head_hash=_genesis(run), end_mac=None
    )  # fmt: skip


def _genesis(run: Run) -> bytes:
    run.refresh_from_db()
    return genesis(run.team_id, run.pk, Encoded(run.input_codec, bytes(run.input), 0))
