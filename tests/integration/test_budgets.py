"""Budgets: what runs spend is held against them, and where nothing is left they are paused with the reason."""

from collections.abc import Iterator
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, NotAllowedError
from agentops.demo.rehearsal.server import RehearsalModel
from runs.journal import purses
from runs.journal.fence import execute
from runs.llm.budget import ANSWER_TOKENS
from runs.models import Attempt, Purse, Reservation, Run, SpendDay, Wait
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.mind_budgets import mind_budgets
from runs.services.raise_budget import raise_budget
from runs.services.resume_run import resume_run
from runs.services.spending import budget_left
from tests import ledger
from tests.budgets import a_budget, purse
from tests.rehearsal import bear_faults, provider, rehearsal_model
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db


@pytest.fixture
def model() -> Iterator[RehearsalModel]:
    with rehearsal_model() as found:
        provider(a_team().pk, found)
        yield found


def ada(*scopes: Scope) -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(scopes or Scope))


def asking(question: str = "Hello?") -> Run:
    return a_run("test-one-question", {"question": question})


def stopped(run: Run, *words: str) -> dict[str, Any]:
    """The reason why the run is paused, which holds the words."""
    run.refresh_from_db()
    assert (run.status, run.health) == ("paused", ["over_budget"]), run.error
    assert run.waiting_on is not None
    told: dict[str, Any] = run.waiting_on
    assert all(word in told["text"] for word in words), told["text"]
    return told


def test_what_a_model_cost_is_held_against_every_budget_of_the_run(model: RehearsalModel) -> None:
    of = [a_budget("team", cost_microusd=10**9), a_budget("agent", agent="test-one-question", tokens=10**9)]
    of += [a_budget("each_run", cost_microusd=10**9), a_budget("agent", agent="test-steps", tokens=10**9)]
    run = drive(asking())
    used = output(run)["usage"]
    for budget in of[:3]:
        assert purse(budget).spent["cost_microusd"] == used["cost_microusd"] > 0
        assert purse(budget).spent["tokens"] == used["tokens_in"] + used["tokens_out"]
        assert set(purse(budget).reserved.values()) == {0}
    assert not Purse.objects.filter(budget=of[3]).exists()
    assert not Reservation.objects.exists()
    day = SpendDay.objects.get()
    assert (day.model, day.n_calls, day.cost_microusd) == (output(run)["answered"], 1, used["cost_microusd"])


def test_a_run_over_its_budget_is_paused_and_one_click_lets_it_go_on(model: RehearsalModel) -> None:
    run = asking()
    a_budget("run", run=run, cost_microusd=10)
    drive(run)
    told = stopped(
        run, "the budget of this run has not enough left: $0.00 of $0.00001 spent", "the next call may take"
    )
    assert sum(model.meter.statuses.values()) == 0
    run, n = raise_budget(actor=ada(Scope.READ, Scope.RUN), run_id=run.pk, reason="it is worth it")
    assert (run.status, run.health, n) == ("queued", [], 1)
    assert purse_of(told).raised["cost_microusd"] >= told["needed"] - 10
    assert drive(run).status == "succeeded"


@pytest.mark.parametrize(
    ("fault", "is_billed"),
    [("429", False), ("503", False), ("500", True), ("timeout", True), ("hang", True), ("cut", True), ("malformed", True)],
)  # fmt: skip
def test_a_request_is_free_that_was_refused_and_spent_as_reserved_where_its_answer_was_lost(
    fault: str, is_billed: bool
) -> None:
    with rehearsal_model(next=[fault], retry_after_seconds=0, hang_seconds=1.0) as server:
        made = provider(a_team().pk, server, timeout_seconds=0.5 if fault in ("timeout", "hang") else 30.0)
        budget = a_budget("run", run=(run := asking()), tokens=10**6)
        advance(claim(a_worker()))
        bear_faults(made, server)
        used = output(drive(run))["usage"]
    lost = purse(budget).spent["tokens"] - used["tokens_in"] - used["tokens_out"]
    assert (lost > ANSWER_TOKENS) == is_billed
    assert lost == 0 or is_billed
    told = Attempt.objects.get(run=run).message
    assert ("may be billed, so budgets count" in told) == is_billed


def test_a_request_that_met_nobody_is_free_and_an_answer_that_does_not_fit_costs_what_it_took(
    model: RehearsalModel,
) -> None:
    nobody = provider(a_team().pk, model, "nobody")
    nobody.base_url = "http://127.0.0.1:9/v1"
    nobody.save()
    schema = {
        "type": "object",
        "properties": {"n": {"type": "string", "pattern": "^[0-9]{30}$"}},
        "required": ["n"],
    }
    models = ["nobody/rehearsal", "rehearsal/rehearsal"]
    run = a_run("test-one-question", {"question": "Hello?", "models": models, "schema": schema})
    budget = a_budget("run", run=run, tokens=10**6)
    assert drive(run).status == "failed"
    assert purse(budget).spent["tokens"] == model.meter.tokens_billed > 0


def purse_of(told: dict[str, Any]) -> Purse:
    return Purse.objects.get(pk=told["purse"])


def test_who_may_not_raise_a_budget_of_the_team_is_told(model: RehearsalModel) -> None:
    a_budget("team", tokens=5)
    run = drive(asking())
    stopped(run, "the budget of the team for 20")
    with pytest.raises(NotAllowedError):
        raise_budget(actor=ada(Scope.READ, Scope.RUN), run_id=run.pk)
    raise_budget(actor=ada(), run_id=run.pk, amounts={"tokens": 10**6})
    assert drive(run).status == "succeeded"
    with pytest.raises(ConflictError, match="nothing to raise"):
        raise_budget(actor=ada(), run_id=run.pk)


def test_raising_lets_all_go_on_that_the_same_purse_has_paused(model: RehearsalModel) -> None:
    a_budget("team", tokens=5)
    runs = [drive(asking()) for _ in range(3)]
    assert raise_budget(actor=ada(), run_id=runs[0].pk, amounts={"tokens": 10**6})[1] == 3
    assert [drive(run).status for run in runs] == ["succeeded"] * 3


def test_children_draw_on_the_budget_of_the_run_that_started_them(model: RehearsalModel) -> None:
    parent = a_run(
        "test-starts", {"how": "run", "agent": "test-one-question", "input": {"question": "Hello?"}}
    )
    budget = a_budget("run", run=parent, cost_microusd=10**9)
    advance(claim(a_worker()))
    child = Run.objects.get(parent=parent)
    drive(child)
    drive(parent)
    assert purse(budget).spent["cost_microusd"] == output(child)["usage"]["cost_microusd"]


def test_a_price_that_nobody_knows_stops_a_run_that_money_is_counted_for() -> None:
    with rehearsal_model() as server:
        provider(a_team().pk, server, catalog=[{"name": "rehearsal"}])
        budget = a_budget("team", cost_microusd=10**9)
        run = drive(asking())
        stopped(run, "nobody knows what rehearsal/rehearsal costs", "Settings, Providers, rehearsal")
        with pytest.raises(ConflictError, match="does not help"):
            raise_budget(actor=ada(), run_id=run.pk)
        budget.limits = {"tokens": {"hard": 10**9}}
        budget.save()
        resume_run(actor=ada(), run_id=run.pk)
        assert drive(run).status == "succeeded"


def test_at_a_soft_limit_a_person_is_asked_and_go_on_is_the_end_of_it(model: RehearsalModel) -> None:
    budget = a_budget("run", run=(run := a_run("test-talker", {"task": "1 + 1"})), tokens=(1, 10**9))
    run = through_the_question(run, "Go on")
    assert drive(run).status in ("succeeded", "failed")
    assert purse(budget).answer == "Go on"


def test_a_run_that_a_person_pauses_at_its_soft_limit_goes_on_when_it_is_resumed(
    model: RehearsalModel,
) -> None:
    a_budget("run", run=(run := a_run("test-talker", {"task": "1 + 1"})), tokens=(1, 10**9))
    run = through_the_question(run, "Pause the run")
    stopped(drive(run), "is past its soft limit, and nobody said that it shall go on")
    resume_run(actor=ada(), run_id=run.pk)
    assert drive(run).status in ("succeeded", "failed")


def through_the_question(run: Run, answer: str) -> Run:
    worker = a_worker()
    while run.status != "awaiting_approval":
        advance(claim(worker))
        run.refresh_from_db()
        assert run.ended_at is None, run.error
    asked = Wait.objects.get(run=run, closed_at=None)
    assert "past its soft limit of 1 token" in asked.details["summary"]
    answer_wait(actor=ada(), run_id=run.pk, seq=asked.seq, reply="respond", answer=answer)
    return run


def test_steps_are_counted_and_no_node_begins_beyond_them() -> None:
    run = a_run("test-steps", {"n": 10})
    budget = a_budget("each_run", steps=4)
    stopped(drive(run), "the budget of each run is used up: 4 of 4 steps spent")
    assert run.n_steps == 4
    raise_budget(actor=ada(), run_id=run.pk, amounts={"steps": 100})
    assert drive(run).status == "succeeded"
    assert purse(budget).spent["steps"] == 10


def test_tool_calls_are_counted_before_they_are_made() -> None:
    ledger.create()
    calls = [{"tool": "test.ledger", "args": {"entry": str(n)}} for n in range(4)]
    run = a_run("test-gathers", {"calls": calls, "parallel": 1})
    a_budget("run", run=run, tool_calls=2)
    stopped(drive(run), "2 of 2 tool calls spent")
    assert ledger.entries() == [("0", 1), ("1", 1)]
    raise_budget(actor=ada(), run_id=run.pk, amounts={"tool_calls": 2})
    assert drive(run).status == "succeeded"
    assert ledger.entries() == [(str(n), 1) for n in range(4)]


def test_working_time_is_counted_and_ends() -> None:
    run = a_run("test-naps", {"run": "here", "seconds": 3600})
    budget = a_budget("run", run=run, seconds=100)
    ledger.create()
    advance(claim(a_worker()))
    assert 0 < purse(budget).spent["seconds"] < 100
    execute("UPDATE runs_purse SET spent = '{\"seconds\": 100}'", {})
    stopped(drive(run), "the budget of this run is used up: 100 of 100 s of work spent")


def test_what_a_dead_worker_reserved_is_settled_as_spent_by_the_next_claim_or_by_the_clock(
    model: RehearsalModel,
) -> None:
    budget = a_budget("team", cost_microusd=10**9)
    run, other = asking(), a_run("test-stubborn", {"how": "wait"})
    for one, seq in ((run, 7), (other, 8)):
        assert purses.reserve_for(one.pk, seq, purses.purse_ids(one.pk), {"cost_microusd": 500}) is None
    assert purse(budget).reserved["cost_microusd"] == 1000
    drive(run)
    assert purse(budget).reserved["cost_microusd"] == 500
    assert purse(budget).spent["cost_microusd"] == 500 + output(run)["usage"]["cost_microusd"]
    mind_budgets()
    assert purse(budget).reserved["cost_microusd"] == 0
    assert purse(budget).spent["cost_microusd"] == 1000 + output(run)["usage"]["cost_microusd"]
    assert not Reservation.objects.exists()


def test_a_request_that_fails_gives_back_what_it_had_reserved(model: RehearsalModel) -> None:
    budget = a_budget("team", cost_microusd=10**9)
    model.behave(latency_ms=0, faults={"401": 1.0})
    assert drive(asking()).status == "failed"
    assert (purse(budget).reserved["cost_microusd"], purse(budget).spent["cost_microusd"]) == (0, 0)


def test_when_its_day_is_over_the_run_goes_on_by_itself(model: RehearsalModel) -> None:
    budget = a_budget("team", tokens=5)
    run = drive(asking())
    mind_budgets()
    told = stopped(run) | {"until": "2020-01-01T00:00:00+00:00"}
    Run.objects.filter(pk=run.pk).update(waiting_on=told)
    budget.limits = {"tokens": {"hard": 10**9}}
    budget.save()
    mind_budgets()
    assert drive(run).status == "succeeded"


def test_a_budget_made_later_counts_what_was_spent_before(model: RehearsalModel) -> None:
    first = drive(asking())
    spent = output(first)["usage"]["cost_microusd"]
    budgets = [a_budget("agent", agent="test-one-question", period="month", cost_microusd=10**9)]
    budgets.append(a_budget("team", period="forever", cost_microusd=10**9))
    budgets.append(a_budget("run", run=first, cost_microusd=10**9))
    for run in (first, asking()):
        purses.purse_ids(run.pk)
    assert [purse(budget).spent["cost_microusd"] for budget in budgets] == [spent] * 3


def test_a_premise_may_ask_what_is_left(model: RehearsalModel) -> None:
    run = asking()
    assert budget_left(run.team_id, run.pk, 1, 0) is None
    a_budget("team", cost_microusd=1000)
    assert [budget_left(run.team_id, run.pk, cost, 10**6) for cost in (1000, 1001)] == [True, False]
