"""Memory over the API: versions, expiry, what a search says of itself."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from memory.adapters import vectors
from runs.journal.fence import execute
from tests.personas import World

pytestmark = pytest.mark.django_db(transaction=True)

OFFICE = "/memory/facts/office"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    send(client, "POST", "/memory", {"slug": "facts", "kind": "semantic"})
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def found(client: Client, query: str) -> Any:
    return send(client, "POST", "/memory/search", {"query": query, "explain": True}).json()


def test_of_two_writers_with_one_version_one_is_told_409_and_what_stands_there_now(ada: Client) -> None:
    assert send(ada, "PUT", OFFICE, {"text": "Lisbon"})["ETag"] == '"1"'

    def write(text: str) -> Any:
        try:
            return send(ada, "PUT", OFFICE, {"text": text, "if_version": 1})
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(write, ["Porto", "Faro"]), key=lambda answer: int(answer.status_code))
    assert [answer.status_code for answer in told] == [200, 409]
    assert told[1].json()["version"] == 2
    assert ada.get(f"/api/v1{OFFICE}").json()["text"] == told[0].json()["text"]
    stale = send(ada, "PUT", OFFICE, {"text": "Braga"}, **{"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current"]["version"]) == (412, 2)
    assert [row["version"] for row in ada.get(f"/api/v1{OFFICE}/history").json()["items"]] == [2, 1]


def test_what_has_expired_is_not_found_from_that_instant(ada: Client) -> None:
    send(ada, "PUT", OFFICE, {"text": "The office is in Lisbon", "ttl_seconds": 3600})
    assert len(found(ada, "office in Lisbon")["items"]) == 1
    execute("UPDATE memory_item SET expires_at = clock_timestamp()", {})
    assert found(ada, "office in Lisbon")["items"] == []
    assert ada.get(f"/api/v1{OFFICE}").json()["expires_at"]


def test_a_search_says_which_leg_found_what_at_which_place(ada: Client) -> None:
    send(ada, "PUT", OFFICE, {"text": "The office is in Lisbon"})
    legs = ["lexical", "vector"] if vectors.is_available() else ["lexical"]
    answer = found(ada, "where is the office?")
    assert answer["legs"] == legs
    assert answer["items"][0]["why"]["places"] == dict.fromkeys(legs, 1)
