"""Sources of events and triggers over the API."""

import json
from typing import Any

import pytest
from django.test import Client

from agentops.common.standard_webhooks import headers_of, key_of_text
from runs.models import Event, Run, Source, Trigger
from runs.selectors.schedules import database_now
from tests.personas import World

pytestmark = pytest.mark.django_db

HOOK = {"slug": "shop", "kind": "webhook", "settings": {"key_pointer": "/id"}}
TRIGGER = {"agent": "test-steps", "event_name": "shop.paid", "input_template": {"n": {"$": "/payload/n"}}}


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def make(client: Client, path: str, body: Any) -> Any:
    answer = send(client, "POST", path, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def deliver(secret: str, body: bytes, delivery_id: str = "d-1") -> Any:
    headers = headers_of(delivery_id, int(database_now().timestamp()), body, [key_of_text(secret)])
    return Client().post("/hooks/shop", body, content_type="application/json", headers=headers)


def test_a_source_is_made_with_a_secret_that_is_told_once(ada: Client) -> None:
    answer = send(ada, "POST", "/sources", HOOK)
    made = answer.json()
    assert (answer.status_code, answer["Location"], answer["ETag"]) == (201, "/api/v1/sources/shop", '"1"')
    assert answer["Cache-Control"] == "no-store"
    assert made.pop("secret").startswith("whsec_")
    assert (made["hook"], made["has_secret"], made["look_at"]) == ("/hooks/shop", True, None)
    got = ada.get("/api/v1/sources/shop")
    assert (got.json(), got["ETag"]) == (made, '"1"')
    assert ada.get("/api/v1/sources").json() == {"items": [made], "next_cursor": None}


def test_its_secret_opens_the_door_until_there_is_another(ada: Client) -> None:
    first = make(ada, "/sources", HOOK)["secret"]
    assert deliver(first, b'{"type": "paid", "id": "A"}').status_code == 202
    second = make(ada, "/sources/shop/secret", {})["secret"]
    assert deliver(first, b'{"type": "paid", "id": "B"}', "d-2").status_code == 401
    assert deliver(second, b'{"type": "paid", "id": "B"}', "d-2").status_code == 202
    told = ada.get("/api/v1/sources/shop").json()
    assert (told["n_events"], told["n_refused"], told["version"]) == (2, 1, 2)
    assert "signature" in told["last_error"]


@pytest.mark.parametrize(
    ("wrong", "pointer", "told"),
    [
        ({"slug": "A"}, "/slug", "lower-case"),
        ({"slug": "a--b"}, "/slug", "single hyphens"),
        ({"kind": "pigeon"}, "/kind", "'webhook'"),
        ({"settings": {"key_pointer": "id"}}, "/settings/key_pointer", "JSON pointer"),
        ({"settings": {"keys": 1}}, "/settings/keys", "key_pointer"),
        ({"secret": "whsec_!"}, "/secret", "base64"),
        ({"secret": "whsec_YWJj"}, "/secret", "at least 16 bytes"),
        ({"kind": "sql", "settings": {}}, "/settings/table", "is missing"),
        ({"kind": "sql", "settings": {"table": "outbox"}}, "/secret", "signs in with it"),
        ({"kind": "runs", "settings": {}, "secret": "x"}, "/secret", "takes none"),
        ({"kind": "runs", "settings": {"every_seconds": 0}}, "/settings/every_seconds", "from 1"),
        ({"kind": "imap", "settings": {"host": "a", "user": "b", "port": 0}}, "/settings/port", "a port"),
        ({"colour": "red"}, "/colour", "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_told_where(ada: Client, wrong: Any, pointer: str, told: str) -> None:
    answer = send(ada, "POST", "/sources", HOOK | wrong)
    assert answer.status_code == 422
    [place] = answer.json()["errors"]
    assert place["pointer"] == pointer
    assert told in place["message"]
    assert not Source.objects.exists()


def test_a_name_is_taken_once_over_all_teams_and_nobody_elses_is_seen(
    world: World, api: Any, ada: Client
) -> None:
    make(ada, "/sources", HOOK)
    bea = api(world.bea, world.brook)
    assert send(bea, "POST", "/sources", HOOK).status_code == 409
    assert bea.get("/api/v1/sources").json()["items"] == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret")):
        assert send(bea, method, f"/sources/shop{path}", {}).status_code == 404


def test_sources_are_an_admins_and_triggers_an_operators(world: World, api: Any, ada: Client) -> None:
    make(ada, "/sources", HOOK)
    trigger = make(ada, "/triggers", TRIGGER)["id"]
    operator = api(world.ada, world.analytical, scopes=("read", "run"))
    for method, path in (("PATCH", "/shop"), ("DELETE", "/shop"), ("POST", "/shop/secret")):
        assert send(operator, method, f"/sources{path}", {}).status_code == 403
    assert send(operator, "POST", "/sources", HOOK).status_code == 403
    assert send(operator, "PATCH", f"/triggers/{trigger}", {"paused": True}).status_code == 200
    viewer = api(world.ada, world.analytical, scopes=("read",))
    assert viewer.get("/api/v1/sources/shop").status_code == 200
    assert send(viewer, "POST", "/triggers", TRIGGER).status_code == 403
    assert send(viewer, "DELETE", f"/triggers/{trigger}").status_code == 403


def test_a_paused_source_takes_nothing(ada: Client) -> None:
    secret = make(ada, "/sources", HOOK)["secret"]
    assert send(ada, "PATCH", "/sources/shop", {"paused": True}).json()["paused"] is True
    assert deliver(secret, b"{}").status_code == 404
    send(ada, "PATCH", "/sources/shop", {"paused": False})
    assert deliver(secret, b"{}").status_code == 202


def test_a_change_keeps_the_settings_it_does_not_name_and_fails_over_a_newer_version(ada: Client) -> None:
    make(ada, "/sources", {"slug": "box", "kind": "runs", "settings": {"every_seconds": 9}})
    Source.objects.update(position=["x"])
    answer = send(ada, "PATCH", "/sources/box", {"settings": {"every_seconds": 5}}, **{"If-Match": '"1"'})
    assert (answer["ETag"], answer.json()["settings"]["every_seconds"]) == ('"2"', 5)
    assert Source.objects.get().position == ["x"]
    send(ada, "PATCH", "/sources/box", {"settings": {"agent": "test-steps"}})
    assert Source.objects.get().position is None, "another place is read from its own beginning"
    stale = send(ada, "PATCH", "/sources/box", {"paused": True}, **{"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current"]["version"]) == (412, 3)
    assert send(ada, "PATCH", "/sources/box", {"paused": True, "version": 1}).status_code == 409
    assert send(ada, "DELETE", "/sources/box", **{"If-Match": '"1"'}).status_code == 412
    assert send(ada, "DELETE", "/sources/box").status_code == 204


def test_a_trigger_starts_runs_and_tells_what_came_of_each_event(ada: Client) -> None:
    secret = make(ada, "/sources", HOOK)["secret"]
    made = make(ada, "/triggers", TRIGGER)
    deliver(secret, b'{"type": "paid", "n": 2}')
    deliver(secret, b'{"type": "paid", "n": "two"}', "d-2")
    failed, started = ada.get(f"/api/v1/triggers/{made['id']}/starts").json()["items"]
    assert (started["run"], started["run_status"]) == (str(Run.objects.get().id), "queued")
    assert failed["run"] is None
    assert "does not fit" in failed["problem"]
    page = ada.get(f"/api/v1/triggers/{made['id']}/starts", {"limit": 1}).json()
    assert page["items"] == [failed]
    rest = ada.get(f"/api/v1/triggers/{made['id']}/starts", {"cursor": page["next_cursor"]}).json()
    assert rest["items"] == [started]


def test_a_paused_trigger_starts_nothing_and_a_deleted_one_is_gone(ada: Client) -> None:
    at = f"/triggers/{make(ada, '/triggers', TRIGGER)['id']}"
    event = {"name": "shop.paid", "payload": {"n": 1}}
    assert send(ada, "PATCH", at, {"paused": True}).json()["paused"] is True
    send(ada, "POST", "/events", event)
    assert not Run.objects.exists()
    send(ada, "PATCH", at, {"paused": False})
    send(ada, "POST", "/events", event)
    assert Run.objects.count() == 1
    assert send(ada, "DELETE", at).status_code == 204
    assert send(ada, "GET", at).status_code == 404
    assert not Trigger.objects.exists()


def test_a_preview_tells_the_input_and_makes_nothing(ada: Client) -> None:
    def seen(**more: Any) -> Any:
        event = {"name": "shop.paid", "payload": {"n": 3, "items": [{"id": 1}]}}
        answer = send(ada, "POST", "/triggers/preview", {**TRIGGER, "event": event, **more})
        assert answer.status_code == 200, answer.content
        return answer.json()

    assert seen() == {"fits": True, "why_not": "", "input": {"n": 3}, "errors": []}
    assert seen(match={"items": [{"id": 1}]})["fits"]
    assert "contain" in seen(match={"items": [{"id": 2}]})["why_not"]
    assert "its name is" in seen(event_name="shop.refunded")["why_not"]
    assert "its key is" in seen(key="A")["why_not"]
    [wrong] = seen(input_template={"n": {"$": "/payload/items"}})["errors"]
    assert wrong["pointer"] == "/n"
    assert (Run.objects.count(), Event.objects.count(), Trigger.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"agent": "nobody"}, 404, None),
        ({"version": 99}, 404, None),
        ({"match": [1]}, 422, "/match"),
        ({"input_template": {"a": [{"$": "payload"}]}}, 422, "/input_template/a/0/$"),
        ({"event_name": ""}, 422, "/event_name"),
        ({"event_name": "x" * 201}, 422, "/event_name"),
        ({"priority": 101}, 422, "/priority"),
        ({"key": "x" * 201}, 422, "/key"),
    ],
)
def test_a_trigger_that_does_not_fit(ada: Client, wrong: Any, status: int, pointer: str | None) -> None:
    answer = send(ada, "POST", "/triggers", TRIGGER | wrong)
    assert answer.status_code == status
    if pointer:
        assert [place["pointer"] for place in answer.json()["errors"]] == [pointer]
    assert not Trigger.objects.exists()


def test_events_are_listed_by_name_and_source(ada: Client) -> None:
    for name in ("a", "b", "a"):
        send(ada, "POST", "/events", {"name": name})
    assert len(ada.get("/api/v1/events", {"name": "a"}).json()["items"]) == 2
    assert ada.get("/api/v1/events", {"source": "hook:shop"}).json()["items"] == []
    assert len(ada.get("/api/v1/events", {"source": "api", "name": "b"}).json()["items"]) == 1
