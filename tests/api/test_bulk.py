"""Bulk jobs over the API."""

from typing import Any

import pytest
from django.test import Client

from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.runs import work_off

pytestmark = pytest.mark.django_db

BULK = "/api/v1/bulk"


def send(client: Client, address: str, body: dict[str, Any]) -> Any:
    return client.post(address, body, content_type="application/json")


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


@pytest.fixture
def three(world: World) -> list[str]:
    def started() -> str:
        run, _ = start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1}, tags=["old"])
        return str(run.id)

    return [started() for _ in range(3)]


def test_a_job_is_previewed_started_followed_and_read(ada: Client, three: list[str]) -> None:
    body = {"verb": "cancel", "q": "tag:old"}
    assert send(ada, f"{BULK}/preview", body).json() == {"fit": 3, "unfit": 0, "is_all": True}
    answer = send(ada, BULK, body | {"reason": "gone"})
    job = answer.json()
    assert answer.status_code == 202
    assert (job["state"], job["expected"], job["done"], job["q"]) == ("working", 3, 0, "tag:old")
    assert job["url"] == f"/runs/bulk/{job['id']}"
    work_off()
    ended = ada.get(f"{BULK}/{job['id']}").json()
    assert (ended["state"], ended["done"], ended["refused"]) == ("done", 3, 0)
    assert ada.get(BULK).json()["items"] == [ended]
    first = ada.get(f"{BULK}/{job['id']}/results?limit=2").json()
    rest = ada.get(f"{BULK}/{job['id']}/results?limit=2&cursor={first['next_cursor']}").json()
    assert [row["run"] for row in first["items"] + rest["items"]] == sorted(three, reverse=True)
    assert ada.get(f"{BULK}/{job['id']}/results?refused=true").json()["items"] == []


def test_a_job_can_be_stopped_twice(ada: Client, three: list[str]) -> None:
    job = send(ada, BULK, {"verb": "pause", "run_ids": three}).json()
    for _ in range(2):
        stopped = send(ada, f"{BULK}/{job['id']}/stop", {}).json()
        assert (stopped["state"], stopped["problem"]) == ("stopped", stopped["problem"])
    work_off()
    assert ada.get(f"/api/v1/runs/{three[0]}").json()["status"] == "queued"


@pytest.mark.parametrize(
    ("body", "status"),
    [({"verb": "cancel"}, 400), ({"verb": "cancel", "q": "", "run_ids": ["0" * 32]}, 400), ({"verb": "cancel", "q": "statsu:x"}, 400),
     ({"verb": "delete", "q": ""}, 422), ({"verb": "pause", "run_ids": []}, 422), ({"verb": "pause", "q": "", "more": 1}, 422)],
)  # fmt: skip
def test_a_request_that_does_not_fit_starts_nothing(ada: Client, body: dict[str, Any], status: int) -> None:
    assert send(ada, BULK, body).status_code == status
    assert ada.get(BULK).json()["items"] == []


def test_a_viewer_may_look_and_not_act(world: World, api: Any, ada: Client, three: list[str]) -> None:
    job = send(ada, BULK, {"verb": "pause", "q": ""}).json()
    viewer = api(world.cyd, world.analytical)
    assert viewer.get(f"{BULK}/{job['id']}").status_code == 200
    for address in (BULK, f"{BULK}/preview", f"{BULK}/{job['id']}/stop"):
        assert send(viewer, address, {"verb": "pause", "q": ""}).status_code == 403
