"""Retention over the API."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from runs.models import Run
from runs.services.measure_runs import measure_runs
from runs.services.work_on_retention import work_on_retention
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db

POLICIES = "/policies/retention"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


@pytest.fixture
def old_run(world: World) -> Run:
    run = drive(a_run("test-steps", {"n": 2}, team=world.analytical))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE runs_run SET created_at = created_at - interval '40 days', ended_at = ended_at - interval '40 days'"
        )
    measure_runs([run.pk])
    return run


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def streamed(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_policy_is_previewed_made_changed_carried_out_and_removed(ada: Client, old_run: Run) -> None:
    body = {"agent": "test-steps", "archive_days": 30}
    [told] = send(ada, "POST", f"{POLICIES}/preview", body).json()["items"]
    assert (told["policy_id"], told["act"], told["runs"], told["kept"]) == (None, "archive", 1, 0)
    assert told["row_bytes"] > 500
    made = send(ada, "POST", POLICIES, body)
    assert (made.status_code, made["ETag"]) == (201, '"1"')
    assert send(ada, "POST", POLICIES, body).status_code == 409
    wrong = send(ada, "POST", POLICIES, {"status": "failed", "archive_days": 9, "delete_days": 9})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/delete_days")
    assert send(ada, "GET", f"{POLICIES}/due").json()["items"][0]["policy_id"] == made.json()["id"]
    work = send(ada, "POST", f"{POLICIES}/works")
    assert (work.status_code, work.json()["expected_bytes"]) == (202, told["row_bytes"])
    assert send(ada, "POST", f"{POLICIES}/works").status_code == 409
    while work_on_retention():
        pass
    done = send(ada, "GET", f"{POLICIES}/works/{work.json()['id']}").json()
    assert (done["state"], done["archived"], done["freed_bytes"]) == ("done", 1, told["row_bytes"])
    assert [one["id"] for one in send(ada, "GET", f"{POLICIES}/works").json()["items"]] == [done["id"]]
    place = f"{POLICIES}/{made.json()['id']}"
    assert send(ada, "PATCH", place, {"archive_days": 31}, if_match='"1"').json()["version"] == 2
    assert send(ada, "PATCH", place, {"archive_days": 32}, if_match='"1"').status_code == 412
    assert send(ada, "DELETE", place).status_code == 204


def test_the_preview_tells_what_would_be_pruned(ada: Client, world: World) -> None:
    run = drive(a_run("test-steps", {"n": 60}, team=world.analytical))
    with connection.cursor() as cursor:
        for table, column in (
            ("runs_run", "created_at"),
            ("runs_run", "ended_at"),
            ("runs_step", "ended_at"),
        ):
            cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '20 days'")
    body = {"prune_days": 10}
    told = send(ada, "POST", f"{POLICIES}/preview", body).json()
    assert told["prune_counted"]
    [one] = told["items"]
    assert (one["policy_id"], one["act"], one["runs"], one["kept"], one["unmeasured"]) == (
        None,
        "prune",
        1,
        0,
        0,
    )
    assert one["row_bytes"] > 1000
    made = send(ada, "POST", POLICIES, body).json()["id"]
    [due] = send(ada, "GET", f"{POLICIES}/due").json()["items"]
    assert (due["policy_id"], due["row_bytes"]) == (made, one["row_bytes"])
    send(ada, "POST", f"/runs/{run.pk}/holds", {"kind": "legal", "reason": "court"})
    [kept] = send(ada, "GET", f"{POLICIES}/due").json()["items"]
    assert (kept["runs"], kept["kept"], kept["row_bytes"]) == (0, 1, 0)


def test_a_run_is_held_archived_and_restored(ada: Client, old_run: Run) -> None:
    place = f"/runs/{old_run.pk}"
    assert send(ada, "POST", f"{place}/holds", {"kind": "legal"}).status_code == 422
    held = send(ada, "POST", f"{place}/holds", {"kind": "legal", "reason": "case 7"}).json()
    assert held["items"][0]["reason"] == "case 7"
    refused = send(ada, "POST", f"{place}/archive")
    assert (refused.status_code, "a legal hold" in refused.json()["detail"]) == (409, True)
    assert send(ada, "DELETE", f"{place}/holds/legal").status_code == 204
    archived = send(ada, "POST", f"{place}/archive")
    assert (archived.status_code, archived.json()["rows"] > 3) == (200, True)
    assert send(ada, "GET", place).json()["archived_at"]
    steps = send(ada, "GET", f"{place}/steps")
    assert (steps.status_code, steps.json()["code"]) == (409, "run_archived")
    file = streamed(ada.get(f"/api/v1{place}/archive/file"))
    assert len(file) == archived.json()["file_bytes"]
    assert send(ada, "POST", f"{place}/restore").json()["archived_at"] is None
    assert len(send(ada, "GET", f"{place}/steps").json()["items"]) == 2
    assert send(ada, "GET", "/storage").json()["agents"][0]["agent"] == "test-steps"


def test_a_viewer_reads_and_changes_nothing(world: World, api: Any, old_run: Run) -> None:
    viewer: Client = api(world.cyd, world.analytical)
    assert send(viewer, "GET", POLICIES).status_code == 200
    for method, path in (
        ("POST", POLICIES),
        ("POST", f"{POLICIES}/works"),
        ("POST", f"/runs/{old_run.pk}/archive"),
    ):
        assert send(viewer, method, path, {}).status_code == 403
