"""Schedules over the API."""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentops.common.ids import new_id
from runs.models import Schedule
from runs.services.fire_schedules import fire_schedules
from tests.personas import World
from tests.schedules import set_back

pytestmark = pytest.mark.django_db

SCHEDULES = "/api/v1/schedules"
BODY = {"agent": "test-steps", "input": {"n": 1}, "cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"{SCHEDULES}{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def make(client: Client, **more: Any) -> Any:
    answer = send(client, "POST", "", BODY | more)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_schedule_is_made_and_found(ada: Client) -> None:
    answer = send(ada, "POST", "", {**BODY, "title": "Nightly", "tags": ["night"]})
    made = answer.json()
    assert answer["Location"] == f"{SCHEDULES}/{made['id']}"
    assert answer["ETag"] == '"1"'
    got = ada.get(answer["Location"])
    assert got.json() == made
    assert got["ETag"] == '"1"'
    assert made["description"] == "At 02:30 every day"
    assert made["created_by"] == "ada (token test)"
    assert (made["missed"], made["overlap"], made["agent_version"]) == ("once", "skip", None)
    assert made["next_at"] == made["next_times"][0]["at"]
    assert len(made["next_times"]) == 5
    assert made["next_times"][0]["local"][10:16] in {"T02:30", "T03:00"}


def test_one_key_makes_one_schedule(ada: Client) -> None:
    key = {"Idempotency-Key": "nightly"}
    first, second = send(ada, "POST", "", BODY, **key), send(ada, "POST", "", BODY, **key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = send(ada, "POST", "", BODY | {"cron": "@daily"}, **key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.json()["schedule_id"] == first.json()["id"]


@pytest.mark.parametrize(
    ("wrong", "pointer", "told"),
    [
        ({"cron": "0 25 * * *"}, "/cron", "'25' is no hour"),
        ({"time_zone": "Berlin"}, "/time_zone", "did you mean Europe/Berlin?"),
        ({"input": {"n": 0}}, "/input/n", "less than the minimum"),
        ({"input": 5, "fire_at_property": "day"}, "/fire_at_property", "an object"),
        ({"missed": "never"}, "/missed", "'skip', 'once' or 'all'"),
        ({"overlap": 7}, "/overlap", "'queue'"),
        ({"priority": 101}, "/priority", "between -100 and 100"),
        ({"tags": [""]}, "/tags/0", "1 to 100 characters"),
        ({"title": "x" * 201}, "/title", "1 to 200 characters"),
        ({"every": "day"}, "/every", "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_told_where(ada: Client, wrong: dict[str, Any], pointer: str, told: str) -> None:
    answer = send(ada, "POST", "", BODY | wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert told in error["message"]


def test_an_error_of_the_expression_has_its_position(ada: Client) -> None:
    [error] = send(ada, "POST", "/preview", {"cron": "0 9 * * MON,XXX"}).json()["errors"]
    assert error["position"] == 12


def test_a_preview_shows_the_times_and_makes_nothing(ada: Client) -> None:
    body = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "after": "2026-10-24T12:00:00Z", "n_times": 2}
    answer = send(ada, "POST", "/preview", body)
    assert answer.status_code == 200
    assert answer.json() == {
        "description": "At 02:30 every day",
        "times": [
            {"at": "2026-10-25T00:30:00Z", "local": "2026-10-25T02:30:00+02:00"},
            {"at": "2026-10-26T01:30:00Z", "local": "2026-10-26T02:30:00+01:00"},
        ],
    }
    assert not Schedule.objects.exists()


def test_lists_are_narrowed_and_come_in_pages(ada: Client) -> None:
    ids = [make(ada)["id"] for _ in range(3)]
    paused = make(ada, paused=True)["id"]
    first = ada.get(f"{SCHEDULES}?limit=2").json()
    rest = ada.get(f"{SCHEDULES}?limit=2&cursor={first['next_cursor']}").json()
    assert [row["id"] for row in first["items"] + rest["items"]] == [paused, *reversed(ids)]
    assert rest["next_cursor"] is None
    assert [row["id"] for row in ada.get(f"{SCHEDULES}?paused=true").json()["items"]] == [paused]
    assert len(ada.get(f"{SCHEDULES}?paused=false&agent=test-steps").json()["items"]) == 3
    assert ada.get(f"{SCHEDULES}?agent=other").json()["items"] == []


def test_changing_says_by_header_or_body_what_was_seen(ada: Client) -> None:
    path = f"/{make(ada)['id']}"
    answer = send(ada, "PATCH", path, {"cron": "@hourly"}, **{"If-Match": '"1"'})
    assert (answer.status_code, answer["ETag"], answer.json()["cron"]) == (200, '"2"', "@hourly")
    stale = send(ada, "PATCH", path, {"paused": True}, **{"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert stale.json()["current"]["cron"] == "@hourly"
    stale = send(ada, "PATCH", path, {"paused": True, "version": 1})
    assert (stale.status_code, stale.json()["version"]) == (409, 2)
    assert send(ada, "DELETE", path, **{"If-Match": '"1"'}).status_code == 412
    assert send(ada, "PATCH", path, {"paused": True, "version": 2}).json()["version"] == 3
    assert send(ada, "PATCH", path, {"title": "Free"}).json()["version"] == 4
    assert send(ada, "PATCH", path, {}, **{"If-Match": "three"}).status_code == 400
    assert send(ada, "PATCH", path, {"version": 4}, **{"If-Match": '"5"'}).status_code == 400


def test_a_pause_takes_the_next_time_away_and_resuming_brings_it_back(ada: Client) -> None:
    path = f"/{make(ada)['id']}"
    paused = send(ada, "PATCH", path, {"paused": True}).json()
    assert (paused["next_at"], paused["next_times"]) == (None, [])
    assert send(ada, "PATCH", path, {"paused": False}).json()["next_at"]


def test_what_is_changed_is_checked_as_what_is_made(ada: Client) -> None:
    made = make(ada)
    answer = send(ada, "PATCH", f"/{made['id']}", {"input": {}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/input")
    assert send(ada, "PATCH", f"/{made['id']}", {"agent": "other"}).status_code == 422
    assert ada.get(f"{SCHEDULES}/{made['id']}").json() == made


def test_firing_answers_what_came_of_it(ada: Client) -> None:
    path = f"/{make(ada)['id']}"
    key = {"Idempotency-Key": "now"}
    first, second = send(ada, "POST", f"{path}/fire", **key), send(ada, "POST", f"{path}/fire", **key)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert first.json()["status"] == "started"
    assert ada.get(f"/api/v1/runs/{first.json()['run']}").json()["tags"] == []
    skipped = send(ada, "POST", f"{path}/fire").json()
    assert (skipped["status"], skipped["run"]) == ("skipped", None)
    assert first.json()["run"] in skipped["reason"]


def test_history_tells_what_came_of_each_time(ada: Client) -> None:
    made = make(ada)
    set_back(Schedule.objects.get(), days=3)
    fire_schedules()
    started, missed = ada.get(f"{SCHEDULES}/{made['id']}/fires").json()["items"]
    assert (started["status"], started["run_status"]) == ("started", "queued")
    assert missed["status"] == "missed"
    assert missed["n_times"] >= 2
    assert ada.get(SCHEDULES).json()["items"][0]["last_fire"]["status"] == "started"


def test_a_deleted_schedule_is_gone(ada: Client) -> None:
    path = f"/{make(ada)['id']}"
    assert send(ada, "DELETE", path).status_code == 204
    assert ada.get(f"{SCHEDULES}{path}").status_code == 404
    assert send(ada, "DELETE", path).status_code == 404
    assert send(ada, "POST", f"/{new_id()}/fire").status_code == 404


def test_a_viewer_reads_and_changes_nothing(ada: Client, world: World, api: Any) -> None:
    made, cyd = make(ada), api(world.cyd, world.analytical)
    assert cyd.get(f"{SCHEDULES}/{made['id']}").json() == made
    assert send(cyd, "POST", "/preview", {"cron": "@daily"}).status_code == 200
    for method, path in (
        ("POST", ""),
        ("PATCH", f"/{made['id']}"),
        ("DELETE", f"/{made['id']}"),
        ("POST", f"/{made['id']}/fire"),
    ):
        assert send(cyd, method, path, BODY if not path else {}).status_code == 403


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["* * * * *", "0 0 30 2 *", "@daily", "UTC", "Europe/Berlin", "\0", "\ud800", {"n": 1}, [], ["a"], 2**40, "skip"]
)  # fmt: skip
members = st.sampled_from([*BODY, "title", "agent_version", "fire_at_property", "priority", "tags", "missed", "overlap",
                           "paused", "version", "n_times", "after"])  # fmt: skip


@FUZZ
@given(st.dictionaries(members, values, max_size=5))
@example({"after": "9999-12-31T23:59:59Z"})
@example({"after": "0001-01-01T00:00:00+14:00"})
@example({"cron": "9" * 190})
@example({"fire_at_property": "n"})
def test_whatever_is_sent_is_understood_or_refused(ada: Client, body: dict[str, Any]) -> None:
    made = Schedule.objects.first() or Schedule.objects.get(pk=make(ada)["id"])
    for method, path in (("POST", ""), ("POST", "/preview"), ("PATCH", f"/{made.pk}")):
        answer = send(
            ada,
            method,
            path,
            body if method == "PATCH" else {**BODY, **body} if not path else {"cron": "@daily", **body},
        )
        assert answer.status_code < 500, answer.content
