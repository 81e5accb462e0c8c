"""The pages of budgets and costs, and the head of a run that a budget has paused."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.models import AgentVersion, Budget, Purse, Run, SpendDay
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, vital, words

pytestmark = pytest.mark.django_db

LIST = "/policies/budgets"


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def test_empty_pages_say_what_belongs_there(see: See, team: Team) -> None:
    assert "No budget is set." in words(see(LIST))
    assert "No model was asked in this time." in words(see("/costs"))


def test_a_budget_is_tried_out_set_changed_and_removed(see: See, ada: Client, version: AgentVersion) -> None:
    slug = version.agent.slug
    form = see(f"{LIST}/new?scope=agent")
    assert slug in [option.get_text() for option in form.select("option")]
    sent = {"scope": "agent", "in-name": f'"{slug}"', "in-period": '"day"'}
    nothing = ada.post(f"{LIST}/new", sent)
    assert (nothing.status_code, "at least one limit" in words(read(nothing))) == (422, True)
    wrong = ada.post(f"{LIST}/new", sent | {"in-cost_microusd_hard": "1", "in-cost_microusd_soft": "2"})
    assert (wrong.status_code, "below the hard limit" in words(read(wrong))) == (422, True)
    sent |= {"in-cost_microusd_hard": "1.25", "in-tool_calls_soft": "5"}
    tried = ada.post(f"{LIST}/new", sent | {"preview": "1"})
    assert (tried.status_code, "0 runs that are not over" in words(read(tried))) == (200, True)
    assert not Budget.objects.exists()
    made = ada.post(f"{LIST}/new", sent)
    budget = Budget.objects.get()
    assert (made.status_code, made["Location"]) == (302, f"{LIST}/{budget.pk}")
    assert budget.limits == {"cost_microusd": {"hard": 1_250_000}, "tool_calls": {"soft": 5}}
    assert f"Agent {slug}" in words(see(LIST))
    page = see(made["Location"])
    assert "$0.00 of $1.25" in words(page)
    assert "created it: Money $1.25" in words(page)
    seen = attribute(one(page, "form.form input[name=version]"), "value")
    change = {"version": seen, "in-cost_microusd_hard": "2"}
    assert ada.post(made["Location"], change).status_code == 302
    stale = ada.post(made["Location"], change)
    assert (stale.status_code, "has changed this budget meanwhile" in words(read(stale))) == (409, True)
    assert "changed it from Money $1.25" in words(see(made["Location"]))
    assert ada.post(f"{LIST}/{budget.pk}/remove", {"version": "2"})["Location"] == LIST
    assert not Budget.objects.exists()


def paused(version: AgentVersion, **limits: Any) -> Run:
    """A run that its budget has paused."""
    run = RunBuilder(version).save(status="paused", paused_from="queued", health=["over_budget"])
    budget = Budget.objects.create(
        team=version.team, scope="run", name=str(run.pk), run=run, period="forever",
        limits=limits or {"cost_microusd": {"hard": 1_250_000}}, created_by="ada", updated_by="ada",
    )  # fmt: skip
    purse = Purse.objects.create(
        team_id=version.team_id, budget=budget, key=str(run.pk), spent={"cost_microusd": 1_200_000}
    )
    told = {"kind": "budget", "text": "the budget of this run has not enough left", "purse": str(purse.pk)}
    Run.objects.filter(pk=run.pk).update(waiting_on=told | {"unit": "cost_microusd", "needed": 100_000})
    return run


def test_a_paused_run_says_why_and_is_raised_by_one_click(
    see: See, ada: Client, version: AgentVersion
) -> None:
    run = paused(version)
    page = see(f"/runs/{run.pk}")
    assert "$1.20 of $1.25" in vital(page, "Spent")
    assert "A budget does not let it go on" in words(page)
    assert "Raise by $0.625 and go on" in words(one(page, "#raise-budget"))
    for _ in range(2):
        assert ada.post(f"/runs/{run.pk}/budget/raise")["Location"] == f"/runs/{run.pk}"
    run.refresh_from_db()
    assert (run.status, run.health) == ("queued", [])
    assert Purse.objects.get().raised == {"cost_microusd": 625_000}
    shown = words(see(f"{LIST}/{Budget.objects.get().pk}"))
    assert "$1.20 of $1.875" in shown
    assert "raised the budget of this run, Money: $1.25 to $1.875" in shown


def test_who_may_not_raise_it_reads_who_may(
    browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    run = paused(version)
    Budget.objects.update(scope="team", name="", run=None)
    Purse.objects.update(key="forever")
    operator = browser_of(Role.OPERATOR)
    page = read(operator.get(f"/runs/{run.pk}"))
    assert "An admin of the team can raise it." in words(page)
    assert operator.post(f"/runs/{run.pk}/budget/raise").status_code == 403


def test_costs_are_drawn_by_day_agent_and_model(see: See, version: AgentVersion) -> None:
    from runs.selectors.budgets import today

    for model, cost in (("one/big", 3_000_000), ("two/small", 500_000)):
        SpendDay.objects.create(
            team_id=version.team_id, day=today(), agent_id=version.agent_id, model=model, n_calls=3, n_unpriced=0,
            cost_microusd=cost, tokens_in=10, tokens_out=5,
        )  # fmt: skip
    page = see("/costs?days=7")
    text = words(page)
    assert all(
        told in text for told in ("$3.50", "one/big", "two/small", version.agent.slug, "highest $3.50")
    )
    assert len(page.select("svg.days rect")) == 1
    assert not see("/costs?days=7&agent=nobody").select("svg.days rect")
