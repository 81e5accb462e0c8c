"""POST /api/v1/runs: what a program that starts runs relies on."""

import json
import time
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import ApiToken
from runs import dispatch
from runs.models import Run
from tests.personas import World

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/runs"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def start(client: Client, body: dict[str, Any], **headers: str) -> Any:
    return client.post(RUNS, body, content_type="application/json", headers=headers or None)


def test_a_start_answers_202_with_the_place_of_the_queued_run(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 3}, "tags": ["nightly"], "priority": 5})
    run = answer.json()
    assert answer.status_code == 202, run
    assert answer["Location"] == f"/api/v1/runs/{run['id']}"
    assert (run["status"], run["agent"], run["version"], run["node"]) == ("queued", "test-steps", 1, "step")
    assert (run["tags"], run["priority"], run["created_by"]) == (["nightly"], 5, "ada (token test)")
    assert ada.get(answer["Location"]).json()["url"] == run["url"] == f"/runs/{run['id']}"


def test_the_same_idempotency_key_returns_the_same_run(ada: Client) -> None:
    body = {"agent": "test-steps", "input": {"n": 3}}
    first = start(ada, body, **{"Idempotency-Key": "k1"})
    again = start(ada, body | {"idempotency_key": "k1"})
    both = start(ada, body | {"idempotency_key": "k1"}, **{"Idempotency-Key": "k1"})
    assert [answer.status_code for answer in (first, again, both)] == [202, 200, 200]
    assert first.json()["id"] == again.json()["id"] == both.json()["id"]
    assert Run.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(ada: Client) -> None:
    start(ada, {"agent": "test-steps", "input": {"n": 3}, "idempotency_key": "k"})
    answer = start(ada, {"agent": "test-steps", "input": {"n": 4}, "idempotency_key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


def test_keys_in_header_and_body_that_differ_are_refused(ada: Client) -> None:
    body = {"agent": "test-steps", "input": {"n": 3}, "idempotency_key": "a"}
    answer = start(ada, body, **{"Idempotency-Key": "b"})
    assert (answer.status_code, answer.json()["header"], answer.json()["body"]) == (400, "b", "a")


def test_teams_have_their_own_keys(world: World, api: Any) -> None:
    body = {"agent": "test-steps", "input": {"n": 3}, "idempotency_key": "shared"}
    answers = [start(api(*who), body) for who in ((world.ada, world.analytical), (world.bea, world.brook))]
    assert [answer.status_code for answer in answers] == [202, 202]


def test_an_unknown_agent_is_404_and_names_those_that_come_near(ada: Client) -> None:
    answer = start(ada, {"agent": "test-step", "input": {}})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "test-steps" in answer.json()["known"]


def test_an_unknown_version_is_404_and_names_those_there_are(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 1}, "version": 9})
    assert (answer.status_code, answer.json()["known"]) == (404, [1])


def test_an_input_that_does_not_fit_is_422_with_pointers(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": "three"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"] == "/n"
    assert start(ada, {"agent": "test-steps", "input": [1]}).json()["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"priority": 101}, "/priority"),
        ({"priority": "high"}, "/priority"),
        ({"tags": ["x" * 101]}, "/tags/0"),
        ({"tags": ["x"] * 21}, "/tags"),
        ({"batch_id": "x" * 101}, "/batch_id"),
        ({"idempotency_key": ""}, "/idempotency_key"),
        ({"idempotency_key": "x" * 201}, "/idempotency_key"),
        ({"deadline": "2030-01-01T00:00:00"}, "/deadline"),
        ({"deadline": "soon"}, "/deadline"),
        ({"title": ""}, "/title"),
        ({"unknown": 1}, "/unknown"),
        ({"budget": {"cost_microusd": 0}}, "/budget/cost_microusd"),
        ({"budget": {}}, "/budget"),
        ({"budget": {"dollars": 1}}, "/budget/dollars"),
        ({"callback_url": "ftp://example.org"}, "/callback_url"),
        ({"parent": "00000000-0000-0000-0000-000000000000"}, "/parent"),
    ],
)
def test_members_that_do_not_fit_are_pointed_at(ada: Client, members: dict[str, Any], pointer: str) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 1}} | members)
    assert answer.status_code == 422, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Run.objects.exists()


def test_what_is_not_supported_yet_says_so(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 1}, "parent": "x"})
    assert "does not support it yet" in answer.json()["detail"]


def test_broken_json_is_400_with_the_position(ada: Client) -> None:
    answer = ada.post(RUNS, '{"agent": "x",\n "input": }', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert (answer.json()["line"], answer.json()["column"]) == (2, 11)


def test_five_megabytes_are_too_large(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 1, "text": "x" * (5 << 20)}})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_input_over_its_own_limit_is_too_large(ada: Client) -> None:
    answer = start(ada, {"agent": "test-steps", "input": {"n": 1, "text": "x" * ((1 << 20) + 1)}})
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 1 << 20)


def test_another_content_type_is_415(ada: Client) -> None:
    answer = ada.post(RUNS, "agent=x", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_characters_that_cannot_be_stored_are_replaced_and_reported(ada: Client) -> None:
    body = '{"agent": "test-steps", "input": {"n": 1, "text": "a\\u0000b\\ud800c"}}'
    answer = ada.post(RUNS, body, content_type="application/json")
    assert answer.status_code == 202
    assert "2 characters" in answer.json()["warnings"][0]
    state = ada.get(answer["Location"] + "/checkpoints/0").json()["state"]
    assert state["text"] == "a\ufffdb\ufffdc"


@pytest.mark.parametrize("value", ["NaN", "1e999", "123456789012345678901234567890", "[" * 300 + "]" * 300])
def test_numbers_and_depths_that_cannot_be_stored_are_refused(ada: Client, value: str) -> None:
    body = '{"agent": "test-steps", "input": {"n": 1, "x": VALUE}}'.replace("VALUE", value)
    answer = ada.post(RUNS, body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.json()["detail"]


def test_a_viewer_may_not_start(world: World, api: Any) -> None:
    answer = start(api(world.cyd, world.analytical), {"agent": "test-steps", "input": {"n": 1}})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_a_token_without_the_scope_run_may_not_start(world: World, api: Any) -> None:
    reader = api(world.ada, world.analytical, scopes=("read",))
    assert start(reader, {"agent": "test-steps", "input": {"n": 1}}).status_code == 403
    assert ApiToken.objects.get().scopes == ["read"]


def test_the_browser_starts_runs_with_the_csrf_token_only(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.ada)
    body = {"agent": "test-steps", "input": {"n": 1}}
    refused = start(client, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    client.get("/sign-in/x")
    accepted = start(client, body, **{"X-CSRFToken": client.cookies["csrftoken"].value})
    assert accepted.status_code == 202, json.loads(accepted.content)


@pytest.mark.django_db(transaction=True)
def test_a_start_needs_no_broker(world: World, api: Any, settings: Any) -> None:
    """The clock finds the run (PROTOCOL 22); the request must not wait for what is only a hint."""
    settings.REDIS_URL = settings.CELERY_BROKER_URL = (
        "redis://192.0.2.1:6379/0"  # an address that never answers
    )
    dispatch._redis.cache_clear()
    client = api(world.ada, world.analytical)
    client.get(RUNS)
    began = time.monotonic()
    answer = start(client, {"agent": "test-steps", "input": {"n": 1}})
    took_seconds = time.monotonic() - began
    dispatch._redis.cache_clear()
    assert (answer.status_code, took_seconds < 0.5) == (202, True)
