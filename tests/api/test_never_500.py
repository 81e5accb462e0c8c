"""Whatever is sent, the answer is never "something went wrong on our side"."""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.personas import World

pytestmark = pytest.mark.django_db

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(max_size=12) | st.sampled_from(
    ["\0", "\ud800", "test-steps", "-1", "9" * 30, "%", "*", "(", "\\", "''"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(text, v, max_size=4), max_leaves=12
)
members = st.sampled_from(
    [
        "agent",
        "input",
        "version",
        "idempotency_key",
        "priority",
        "tags",
        "batch_id",
        "title",
        "deadline",
        "callback_url",
        "budget",
        "x",
    ]
)
paths = st.sampled_from(
    [
        "/api/v1/runs", "/api/v1/agents", "/api/v1/agents/{}", "/api/v1/runs/{}", "/api/v1/runs/{id}",
        "/api/v1/runs/{id}/steps", "/api/v1/runs/{id}/steps/{}", "/api/v1/runs/{id}/checkpoints",
        "/api/v1/runs/{id}/checkpoints/{}", "/api/v1/runs/{id}/diff", "/api/v1/runs/{id}/output", "/api/v1/runs/{id}/stream",
        "/api/v1/runs/{id}/callbacks", "/api/v1/{}",
    ]
)  # fmt: skip
parameters = st.sampled_from(
    ["q", "cursor", "limit", "status", "agent", "after", "depth", "a", "b", "last_event_id", "zz"]
)


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


@pytest.fixture
def run_id(ada: Client) -> str:
    body = {"agent": "test-steps", "input": {"n": 2}}
    found: str = ada.post("/api/v1/runs", body, content_type="application/json").json()["id"]
    return found


def fits(answer: Any) -> None:
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] != "internal"


@FUZZ
@given(st.dictionaries(members, values, max_size=6))
@example({"agent": "test-steps", "input": {"n": 1}, "deadline": "0001-01-01T00:00:00+14:00"})
@example({"agent": "test-steps", "input": {"n": 1}, "deadline": "9999-12-31T23:59:59-14:00"})
@example({"agent": "test-steps", "input": {"n": 1}, "deadline": 1e300})
@example({"agent": "test-steps", "input": {"n": 1}, "title": " "})
@example({"agent": "test-steps", "input": {"n": 1}, "version": 2**40})
def test_a_start_with_any_members(ada: Client, body: dict[str, Any]) -> None:
    fits(ada.post("/api/v1/runs", json.dumps(body), content_type="application/json"))


@FUZZ
@given(st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b'{"agent": ' + b"9" * 5000 + b"}")
@example(b"\xff\xfe{}")
@example(b'"\\ud800"')
@example(b"null")
def test_a_body_of_any_bytes(ada: Client, run_id: str, body: bytes) -> None:
    for path in ("/api/v1/runs", f"/api/v1/runs/{run_id}/cancel"):
        fits(ada.generic("POST", path, body, content_type="application/json"))


@FUZZ
@given(paths, text, st.dictionaries(parameters, text, max_size=3))
@example("/api/v1/runs/{id}/steps", "", {"cursor": "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTkiXQ"})
@example(
    "/api/v1/runs",
    "",
    {"cursor": "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDE5MDAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0"},
)
@example("/api/v1/runs/{id}/diff", "", {"a": "0", "b": "9" * 18})
@example("/api/v1/runs/{id}/diff", "", {"a": "0", "b": "0" * 32 + ":0"})
@example("/api/v1/runs", "", {"q": "\\m(((" + "*" * 50})
def test_any_address(ada: Client, run_id: str, path: str, word: str, query: dict[str, str]) -> None:
    address = path.replace("{id}", run_id).replace("{}", word.encode("utf-8", "replace").decode())
    given_query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    fits(ada.get(address, given_query))


@FUZZ
@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20))
def test_any_headers(world: World, ada: Client, value: str) -> None:
    fits(Client().get("/api/v1/runs", headers={"authorization": value}))
    body = {"agent": "test-steps", "input": {"n": 1}}
    fits(ada.post("/api/v1/runs", body, content_type="application/json", headers={"Idempotency-Key": value}))
