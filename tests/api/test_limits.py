"""Limits and pauses over the API."""

import json
from typing import Any

import pytest
from django.test import Client

from agentops.audit.models import Entry
from runs.models import Agent, Limit, Run
from tests.personas import World

pytestmark = pytest.mark.django_db

STEPS = "/limits/agent/test-steps"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def start(client: Client, **more: Any) -> Any:
    return send(client, "POST", "/runs", {"agent": "test-steps", "input": {"n": 1}, **more})


def running(agent: str, **columns: Any) -> None:
    """Let one queued run of the agent look executed."""
    run = Run.objects.filter(agent__slug=agent, status="queued").order_by("id").first()
    assert run
    Run.objects.filter(pk=run.pk).update(status="running", worker_id=run.pk, **columns)


def test_a_limit_is_set_changed_and_removed(ada: Client) -> None:
    made = send(ada, "PUT", STEPS, {"max_running": 3})
    assert (made.status_code, made["Location"], made["ETag"]) == (201, f"/api/v1{STEPS}", '"1"')
    again = send(ada, "PUT", STEPS, {"max_running": 4})
    assert (again.status_code, again.json()["max_running"], again["ETag"]) == (200, 4, '"2"')
    got = ada.get(f"/api/v1{STEPS}")
    assert (got.json(), got["ETag"]) == (again.json(), '"2"')
    assert got.json()["updated_by"].startswith("ada")
    assert send(ada, "DELETE", STEPS).status_code == 204
    assert ada.get(f"/api/v1{STEPS}").status_code == 404
    assert list(
        Entry.objects.order_by("id").filter(subject_kind="limit").values_list("action", flat=True)
    ) == [
        "limit.set",
        "limit.set",
        "limit.remove",
    ]


def test_it_says_how_many_run_and_wait(ada: Client) -> None:
    for _ in range(4):
        start(ada)
    running("test-steps")
    assert send(ada, "PUT", STEPS, {"max_running": 1}).json()["full"] == 1
    send(ada, "PUT", "/limits/queue/default", {"max_running": 9})
    listed = {item["name"]: item for item in ada.get("/api/v1/limits").json()["items"]}
    counts = {name: (it["running"], it["waiting"], it["full"]) for name, it in listed.items()}
    assert (counts["test-steps"], counts["default"]) == ((1, 3, 1), (1, 3, 0))
    assert [it["name"] for it in ada.get("/api/v1/limits?agent=test-steps").json()["items"]] == ["test-steps"]


def test_each_key_that_a_star_stands_for_is_counted_by_itself(ada: Client) -> None:
    for key in ("site-a", "site-a", "site-b", "other"):
        start(ada, concurrency_key=key)
    running("test-steps")
    running("test-steps")
    told = send(ada, "PUT", "/limits/key/site-*", {"max_running": 2}).json()
    assert (told["running"], told["waiting"], told["full"]) == (2, 1, 1)
    assert ada.get("/api/v1/limits/key/site-*").json() == told


def test_pages_of_limits_hold_each_once(ada: Client) -> None:
    for name in ("b/2", "a", "c?d", "é"):
        assert (
            send(ada, "PUT", f"/limits/key/{name.replace('?', '%3F')}", {"max_running": 1}).status_code == 201
        )
    seen, cursor = [], ""
    while True:
        page = ada.get(f"/api/v1/limits?limit=2&cursor={cursor}").json()
        seen += [(it["scope"], it["name"]) for it in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert len(seen) == len(set(seen)) == Limit.objects.filter(team__slug="analytical").count()
    assert {("key", "b/2"), ("key", "c?d"), ("key", "é"), ("agent", "test-counted")} <= set(seen)


def test_nobody_overwrites_what_they_have_not_seen(ada: Client) -> None:
    send(ada, "PUT", STEPS, {"max_running": 3})
    for refused in (send(ada, "PUT", STEPS, {"max_running": 9, "version": seen}) for seen in (0, 2)):
        assert refused.status_code == 409
        assert refused.json()["current"]["max_running"] == 3
    by_header = send(ada, "DELETE", STEPS, **{"If-Match": '"7"'})
    assert (by_header.status_code, by_header.json()["code"]) == (412, "precondition_failed")
    assert send(ada, "PUT", STEPS, {"max_running": 9}, **{"If-Match": '"1"'}).json()["version"] == 2


@pytest.mark.parametrize(
    ("path", "body", "pointer", "told"),
    [
        (STEPS, {"max_running": 0}, "/max_running", "pause the agent"),
        (STEPS, {"max_running": -1}, "/max_running", "from 1"),
        (STEPS, {"max_running": 10**9}, "/max_running", "from 1 to 1,000,000"),
        (STEPS, {"max_running": "3"}, "/max_running", "integer"),
        (STEPS, {"max_running": 2.0}, "/max_running", "integer"),
        (STEPS, {"max_running": 2, "colour": 1}, "/colour", "Extra inputs"),
        (STEPS, {}, "/max_running", "required"),
        ("/limits/queue/a,b", {"max_running": 1}, "/name", "letters, digits"),
        ("/limits/key/*", {"max_running": 1}, "/name", "customer-*"),
        (f"/limits/key/{'x' * 101}", {"max_running": 1}, "/name", "1 to 100 characters"),
    ],
)
def test_what_does_not_fit_is_told_where(ada: Client, path: str, body: Any, pointer: str, told: str) -> None:
    n_before = Limit.objects.count()
    answer = send(ada, "PUT", path, body)
    assert answer.status_code == 422
    [place] = answer.json()["errors"]
    assert place["pointer"] == pointer
    assert told in place["message"]
    assert Limit.objects.count() == n_before


def test_an_unknown_agent_is_named_with_those_that_come_near(ada: Client) -> None:
    answer = send(ada, "PUT", "/limits/agent/test-step", {"max_running": 1})
    assert answer.status_code == 404
    assert "test-steps" in answer.json()["detail"]
    assert send(ada, "PUT", "/limits/colour/red", {"max_running": 1}).status_code == 422


def test_limits_and_the_teams_switch_are_an_admins_an_agents_switch_an_operators(
    world: World, api: Any, ada: Client
) -> None:
    operator = api(world.ada, world.analytical, scopes=("read", "run"))
    viewer = api(world.ada, world.analytical, scopes=("read",))
    assert send(operator, "PUT", STEPS, {"max_running": 1}).status_code == 403
    assert send(operator, "DELETE", "/limits/agent/test-counted").status_code == 403
    assert send(operator, "POST", "/team/pause", {}).status_code == 403
    assert send(operator, "POST", "/team/resume", {}).status_code == 403
    assert send(viewer, "POST", "/agents/test-steps/pause", {}).status_code == 403
    assert send(operator, "POST", "/agents/test-steps/pause", {}).status_code == 200
    assert send(viewer, "POST", "/agents/test-steps/resume", {}).status_code == 403
    assert viewer.get("/api/v1/limits").status_code == 200
    assert viewer.get("/api/v1/team").json()["paused"] is None


def test_nobody_sees_or_sets_the_limits_of_another_team(world: World, api: Any, ada: Client) -> None:
    send(ada, "PUT", "/limits/key/ours", {"max_running": 3})
    bea = api(world.bea, world.brook)
    assert bea.get("/api/v1/limits/key/ours").status_code == 404
    assert send(bea, "DELETE", "/limits/key/ours").status_code == 404
    assert send(bea, "PUT", "/limits/key/ours", {"max_running": 1}).status_code == 201
    assert ada.get("/api/v1/limits/key/ours").json()["max_running"] == 3
    send(bea, "POST", "/team/pause", {"reason": "theirs"})
    assert ada.get("/api/v1/team").json()["paused"] is None


def test_who_paused_an_agent_first_stands_until_it_is_resumed(world: World, api: Any, ada: Client) -> None:
    first = send(ada, "POST", "/agents/test-steps/pause", {"reason": "It writes nonsense"}).json()
    assert first["paused"]["reason"] == "It writes nonsense"
    assert first["paused"]["by"].startswith("ada")
    again = send(ada, "POST", "/agents/test-steps/pause", {"reason": "me, too"}).json()
    assert again["paused"] == first["paused"]
    assert send(ada, "POST", "/agents/test-steps/resume").json()["paused"] is None
    assert send(ada, "POST", "/agents/test-steps/resume").status_code == 200
    assert Entry.objects.filter(action__in=["agent.pause", "agent.resume"]).count() == 2
    too_long = send(ada, "POST", "/agents/test-steps/pause", {"reason": "x" * 1001})
    assert (too_long.status_code, too_long.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert send(ada, "POST", "/agents/nobody/pause", {}).status_code == 404


def test_a_queued_run_says_what_is_in_its_way(ada: Client) -> None:
    ids = [start(ada, concurrency_key="door").json()["id"] for _ in range(4)]
    last = f"/api/v1/runs/{ids[-1]}"
    assert ada.get(last).json()["waiting_on"] is None
    running("test-steps")
    send(ada, "PUT", "/limits/key/door", {"max_running": 1})
    told = ada.get(last).json()["waiting_on"]
    assert told["text"] == "behind a limit of 1 for the key door, 2 ahead"
    assert (told["kind"], told["running"], told["ahead"]) == ("limit", 1, 2)
    send(ada, "POST", "/agents/test-steps/pause", {"reason": "holiday"})
    told = ada.get(last).json()["waiting_on"]
    assert (told["kind"], told["name"], told["reason"]) == ("agent_paused", "test-steps", "holiday")
    send(ada, "POST", "/team/pause", {})
    assert ada.get(last).json()["waiting_on"]["kind"] == "team_paused"
    send(ada, "POST", "/team/resume")
    assert ada.get(last).json()["waiting_on"]["kind"] == "agent_paused"


def test_a_run_is_started_with_a_queue_and_a_key(ada: Client) -> None:
    told = start(ada, queue="gpu", concurrency_key="door", priority=3, idempotency_key="k").json()
    assert (told["queue"], told["concurrency_key"], told["priority"]) == ("gpu", "door", 3)
    assert start(ada, queue="gpu", concurrency_key="door", priority=3, idempotency_key="k").status_code == 200
    assert start(ada, queue="gpu", priority=3, idempotency_key="k").status_code == 409
    batch = {
        "agent": "test-steps",
        "inputs": [{"n": 1}],
        "batch_id": "b",
        "queue": "gpu",
        "concurrency_key": "x",
    }
    run = send(ada, "POST", "/runs/batch", batch).json()["runs"][0]["id"]
    assert ada.get(f"/api/v1/runs/{run}").json()["queue"] == "gpu"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"queue": "a b"}, "/queue"),
        ({"queue": ""}, "/queue"),
        ({"queue": "x" * 101}, "/queue"),
        ({"concurrency_key": "x" * 101}, "/concurrency_key"),
        ({"priority": 101}, "/priority"),
    ],
)
def test_a_queue_or_key_that_does_not_fit_is_refused(ada: Client, wrong: Any, pointer: str) -> None:
    answer = start(ada, **wrong)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_what_the_code_declares_can_be_overruled_and_comes_back(world: World, ada: Client) -> None:
    path = "/limits/agent/test-counted"
    declared = ada.get(f"/api/v1{path}").json()
    assert (declared["max_running"], declared["declared"]) == (5, True)
    refused = send(ada, "DELETE", path)
    assert (refused.status_code, "the code" in refused.json()["detail"]) == (409, True)
    assert send(ada, "PUT", path, {"max_running": 2}).json()["declared"] is False
    assert send(ada, "DELETE", path).status_code == 204
    assert ada.get(f"/api/v1{path}").json()["max_running"] == 5
    assert Agent.objects.get(team=world.analytical, slug="test-counted").queue == "counted"


def test_a_key_is_made_of_the_input(ada: Client) -> None:
    good = {"agent": "test-counted", "input": {"order": {"customer": 7}}}
    told = send(ada, "POST", "/runs", good).json()
    assert (told["concurrency_key"], told["queue"]) == ("account-7", "counted")
    bad = send(ada, "POST", "/runs", {"agent": "test-counted", "input": {"order": {}}})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/order/customer")
    assert send(ada, "POST", "/runs", good | {"concurrency_key": ""}).json()["concurrency_key"] == ""
