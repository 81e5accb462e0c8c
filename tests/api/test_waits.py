"""Events, signals and answers over the API."""

from typing import Any

import pytest
from django.test import Client

from runs.models import Event, Run
from runs.services.advance import advance
from runs.services.start_run import start_run
from tests import ledger
from tests.personas import World, actor
from tests.runs import a_worker, claim, drive, output

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/runs"
JSON = "application/json"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    ledger.create()
    client: Client = api(world.ada, world.analytical)
    return client


def waiting(world: World, state: Any, agent: str = "test-waits") -> Run:
    run, _ = start_run(actor=actor(world.ada), agent=agent, input=state)
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(path, body, content_type=JSON)


def test_an_event_wakes_who_waits_for_it_and_a_repeated_one_nobody(world: World, ada: Client) -> None:
    run = waiting(world, {"for": [{"kind": "event", "name": "paid", "key": "A-1"}]})
    body = {"name": "paid", "key": "A-1", "payload": {"amount": 7}, "id": "d-1"}

    first, second = post(ada, "/api/v1/events", body), post(ada, "/api/v1/events", body)

    assert (first.status_code, first.json()["matched"]) == (202, 1)
    assert (second.status_code, second.json()) == (200, {"id": first.json()["id"], "matched": 0})
    assert output(drive(run))["payload"] == {"amount": 7}
    changed = post(ada, "/api/v1/events", body | {"payload": {}})
    assert (changed.status_code, changed.json()["code"]) == (409, "idempotency_conflict")
    [event] = ada.get("/api/v1/events").json()["items"]
    assert (event["name"], event["payload"], event["delivery_id"]) == ("paid", {"amount": 7}, "d-1")


def test_events_page_by_cursor(ada: Client) -> None:
    for n in range(3):
        post(ada, "/api/v1/events", {"name": "tick", "payload": n})
    first = ada.get("/api/v1/events?limit=2").json()
    second = ada.get(f"/api/v1/events?limit=2&cursor={first['next_cursor']}").json()
    assert [event["payload"] for event in first["items"] + second["items"]] == [2, 1, 0]
    assert second["next_cursor"] is None
    assert ada.get("/api/v1/events?cursor=x").status_code == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"payload": 1}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "n", "key": "k" * 201}, "/key"),
        ({"name": "n", "id": "\x00"}, "/id"),
        ({"name": "n", "from": "x"}, "/from"),
        ({"name": ["n"]}, "/name"),
    ],
)
def test_what_is_no_event_is_refused_with_a_pointer(ada: Client, body: Any, pointer: str) -> None:
    answer = post(ada, "/api/v1/events", body)
    if answer.status_code == 202:  # the parser has replaced what cannot be stored
        assert pointer == "/id"
        return
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_too_large_an_event_is_refused_and_nothing_is_stored(ada: Client) -> None:
    answer = post(ada, "/api/v1/events", {"name": "n", "payload": "x" * (1 << 20)})
    assert (answer.status_code, Event.objects.count()) == (413, 0)


def test_a_signal_reaches_its_run(world: World, ada: Client) -> None:
    run = waiting(world, {"for": [{"kind": "signal", "name": "say"}]})
    answer = post(ada, f"{RUNS}/{run.id}/signals/say", {"payload": "hello", "id": "s-1"})
    assert (answer.status_code, answer.json()["matched"]) == (202, 1)
    assert post(ada, f"{RUNS}/{run.id}/signals/say", {"payload": "hello", "id": "s-1"}).status_code == 200
    assert output(drive(run))["payload"] == "hello"
    late = post(ada, f"{RUNS}/{run.id}/signals/say", {"payload": "more"})
    assert (late.status_code, late.json()["code"]) == (409, "illegal_move")


def test_what_a_run_waits_for_can_be_read(world: World, ada: Client) -> None:
    run = waiting(world, {"for": [{"kind": "event", "name": "paid", "key": "A-1", "match": {"ok": True}}]})
    [wait] = ada.get(f"{RUNS}/{run.id}/waits").json()["items"]
    assert (wait["kind"], wait["name"], wait["key"], wait["match"]) == ("event", "paid", "A-1", {"ok": True})
    assert (wait["closed_as"], wait["mode"]) == ("", "first")
    assert ada.get(f"{RUNS}/{run.id}").json()["waiting_on"]["text"] == "event paid of A-1"


def test_a_run_can_be_woken_and_its_wait_cancelled(world: World, ada: Client) -> None:
    run = waiting(world, {"for": [{"kind": "event", "name": "paid"}]})
    assert post(ada, f"{RUNS}/{run.id}/wake", {}).status_code == 202
    assert "late" in output(drive(run))
    again = waiting(world, {"for": [{"kind": "event", "name": "paid"}]})
    assert post(ada, f"{RUNS}/{again.id}/cancel-wait", {}).status_code == 202
    assert output(drive(again))["failed"] == "wait_cancelled"
    assert post(ada, f"{RUNS}/{again.id}/wake", {}).status_code == 409


def test_a_person_answers_once_and_only_a_reviewer_may(world: World, ada: Client, api: Any) -> None:
    run = waiting(world, {"args": {"amount": 7}}, "test-asks")
    operator = api(world.ada, world.analytical, scopes=["read", "run"])
    path = f"{RUNS}/{run.id}/steps/2/answer"
    assert post(operator, path, {"type": "approve"}).status_code == 403
    wrong = post(ada, path, {"type": "edit", "args": [1]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/args")
    assert post(ada, path, {"type": "edit", "args": {"amount": 6}}).status_code == 202
    second = post(ada, path, {"type": "reject"})
    assert (second.status_code, second.json()["answered_by"]) == (409, "ada (token test)")
    assert output(drive(run)) == {"args": {"amount": 6}}
