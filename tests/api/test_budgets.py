"""Budgets over the API: kept, tried out, drawn on, raised."""

import json
from typing import Any

import pytest
from django.test import Client

from agentops.audit.models import Entry
from agentops.common.types import JsonObject
from runs.models import Purse, Run
from tests.personas import World
from tests.runs import drive

pytestmark = pytest.mark.django_db

BUDGETS = "/policies/budgets"
STEPS: JsonObject = {
    "scope": "agent",
    "name": "test-steps",
    "period": "day",
    "limits": {"steps": {"soft": 5, "hard": 9}},
}


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def a_run(client: Client, n: int = 3, **more: Any) -> Run:
    answer = send(client, "POST", "/runs", {"agent": "test-steps", "input": {"n": n}, **more})
    assert answer.status_code == 202, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def test_a_budget_is_created_changed_and_removed(ada: Client) -> None:
    made = send(ada, "POST", BUDGETS, STEPS)
    assert made.status_code == 201, made.content
    path = made["Location"].removeprefix("/api/v1")
    assert send(ada, "GET", path).json() == made.json()
    assert made.json()["purses"][0]["lines"]["steps"] == {
        "soft": 5,
        "limit": 9,
        "used": 0,
        "reserved": 0,
        "left": 9,
    }
    assert send(ada, "POST", BUDGETS, STEPS).status_code == 409
    more = {"limits": {"steps": {"hard": 90}}}
    changed = send(ada, "PATCH", path, more | {"version": 1})
    assert (changed.status_code, changed["ETag"], changed.json()["limits"]) == (
        200,
        '"2"',
        {"steps": {"hard": 90}},
    )
    assert send(ada, "PATCH", path, more | {"version": 1}).status_code == 409
    assert send(ada, "PATCH", path, more, **{"If-Match": '"1"'}).status_code == 412
    assert [item["id"] for item in send(ada, "GET", BUDGETS).json()["items"]] == [made.json()["id"]]
    assert send(ada, "DELETE", path).status_code == 204
    assert send(ada, "GET", path).status_code == 404
    told = Entry.objects.filter(subject_kind="budget").order_by("id")
    assert [entry.action for entry in told] == ["budget.create", "budget.update", "budget.delete"]
    assert told[1].detail["before"] == STEPS["limits"]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"limits": {}}, "/limits"),
        ({"limits": {"steps": {"soft": 9, "hard": 9}}}, "/limits/steps/soft"),
        ({"limits": {"steps": {"hard": 0}}}, "/limits/steps/hard"),
        ({"limits": {"steps": {"hard": 10**16}}}, "/limits/steps/hard"),
        ({"limits": {"dollars": {"hard": 1}}}, "/limits/dollars"),
        ({"scope": "run"}, "/scope"),
        ({"scope": "team"}, "/name"),
        ({"name": ""}, "/name"),
        ({"scope": "each_run"}, "/period"),
        ({"period": "week"}, "/period"),
    ],
)
def test_what_does_not_fit_is_pointed_at(ada: Client, members: dict[str, Any], pointer: str) -> None:
    for path in (BUDGETS, f"{BUDGETS}/preview"):
        answer = send(ada, "POST", path, STEPS | members)
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert send(ada, "POST", BUDGETS, STEPS | {"name": "nobody"}).status_code == 404


def test_who_is_no_admin_reads_them_and_changes_nothing(world: World, api: Any, ada: Client) -> None:
    path = send(ada, "POST", BUDGETS, STEPS)["Location"].removeprefix("/api/v1")
    token = api(world.ada, world.analytical, scopes=["read", "run"])
    assert send(token, "GET", path).status_code == 200
    tries = (("POST", BUDGETS, STEPS), ("POST", f"{BUDGETS}/preview", STEPS), ("DELETE", path, None))
    for method, where, body in (*tries, ("PATCH", path, {"limits": {"steps": {"hard": 1}}})):
        assert send(token, method, where, body).status_code == 403


def test_a_run_brings_its_own_budget_and_says_what_is_left(ada: Client) -> None:
    run = a_run(ada, 9, budget={"steps": 4})
    drive(run)
    assert run.status == "paused"
    told = send(ada, "GET", f"/runs/{run.pk}").json()
    assert told["budget"] == {"steps": {"used": 4, "limit": 4, "left": 0}}
    assert told["waiting_on"]["text"] == "the budget of this run is used up: 4 of 4 steps spent"
    raised = send(ada, "POST", f"/runs/{run.pk}/budget/raise", {"by": {"steps": 20}, "reason": "nearly done"})
    assert (raised.status_code, raised.json()["resumed"], raised.json()["status"]) == (202, 1, "queued")
    assert drive(run).status == "succeeded"
    [purse] = send(ada, "GET", f"/runs/{run.pk}/budget").json()["purses"]
    assert (purse["lines"]["steps"]["used"], purse["lines"]["steps"]["limit"]) == (9, 24)
    entry = Entry.objects.get(action="budget.raise")
    assert entry.detail["limits"] == {"steps": "4 steps to 24 steps"}
    again = send(ada, "POST", f"/runs/{run.pk}/budget/raise", {})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_the_same_key_with_another_budget_is_another_request(ada: Client) -> None:
    body = {"agent": "test-steps", "input": {"n": 1}, "idempotency_key": "one"}
    assert send(ada, "POST", "/runs", body | {"budget": {"steps": 5}}).status_code == 202
    assert send(ada, "POST", "/runs", body | {"budget": {"steps": 5}}).status_code == 200
    assert send(ada, "POST", "/runs", body | {"budget": {"steps": 6}}).status_code == 409


@pytest.mark.parametrize("by", [{"steps": 0}, {"steps": -1}, {"dollars": 1}])
def test_a_raise_that_makes_no_sense_is_refused(ada: Client, by: dict[str, int]) -> None:
    run = a_run(ada, 9, budget={"steps": 4})
    drive(run)
    answer = send(ada, "POST", f"/runs/{run.pk}/budget/raise", {"by": by})
    assert answer.status_code == 422, answer.content
    assert not Purse.objects.get().raised


def test_a_preview_tells_which_runs_would_be_hit(ada: Client) -> None:
    many, few = a_run(ada, 9, budget={"steps": 6}), a_run(ada, 9, budget={"steps": 2})
    for run in (many, few):
        drive(run)
    plan: JsonObject = {"scope": "each_run", "limits": {"steps": {"soft": 3, "hard": 6}}}
    told = send(ada, "POST", f"{BUDGETS}/preview", plan).json()
    assert (told["open_runs"], told["agents"], told["n_hits"]) == (2, ["test-steps"], 1)
    assert (told["hits"][0]["id"], told["hits"][0]["reached"]) == (str(many.pk), "hard")
    assert not send(ada, "GET", BUDGETS).json()["items"]


def test_raising_the_limits_lets_its_runs_go_on(ada: Client) -> None:
    path = send(ada, "POST", BUDGETS, STEPS)["Location"].removeprefix("/api/v1")
    limits = {"limits": {"steps": {"hard": 2}}}
    send(ada, "PATCH", path, limits)
    run = a_run(ada, 5)
    drive(run)
    assert send(ada, "GET", path).json()["paused"] == 1
    send(ada, "PATCH", path, {"limits": {"steps": {"hard": 50}}})
    assert drive(run).status == "succeeded"
    other = a_run(ada, 60)
    drive(other)
    assert other.status == "paused"
    assert send(ada, "DELETE", path).status_code == 204
    assert drive(other).status == "succeeded"


def test_costs_are_told_by_agent_model_and_day(ada: Client) -> None:
    for by in ("agent", "model", "day"):
        assert send(ada, "GET", f"/costs?by={by}&days=7").json() == {"items": []}
    assert send(ada, "GET", "/costs?by=week").status_code == 422
