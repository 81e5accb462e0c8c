"""Forks, rewinds and branches over the API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from runs.models import Run
from tests import ledger
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db
Api = Callable[..., Client]


@pytest.fixture
def run(world: World) -> Run:
    ledger.create()
    return drive(a_run("test-mailing", {"to": "ada"}, team=world.analytical))


@pytest.fixture
def post(world: World, api: Api, run: Run) -> Callable[..., Any]:
    client = api(world.ada, world.analytical)

    def send(path: str, body: Any, status: int, **headers: str) -> Any:
        address = f"/api/v1/runs/{run.pk}/{path}"
        answer = client.post(address, body, content_type="application/json", headers=headers)
        assert answer.status_code == status, answer.content
        return answer.json() | {"Location": answer.headers.get("Location")}

    return send


def test_a_fork_is_a_new_run_at_its_own_address(post: Callable[..., Any], run: Run) -> None:
    body = {"seq": 10, "effect_mode": "recorded", "reason": "to see", "outputs": {"12": {"id": "x"}}}
    made = post("fork", body, 202, **{"Idempotency-Key": "once"})
    assert made["Location"] == f"/api/v1/runs/{made['id']}"
    assert (made["forked_from"], made["status"], made["node"]) == (str(run.pk), "queued", "send")
    assert post("fork", body, 200, **{"Idempotency-Key": "once"})["id"] == made["id"]
    assert (
        post("fork", body | {"seq": 9}, 409, **{"Idempotency-Key": "once"})["code"] == "idempotency_conflict"
    )


def test_a_preview_tells_what_would_happen_again_and_changes_nothing(
    post: Callable[..., Any], run: Run
) -> None:
    patch = [{"op": "replace", "path": "/to", "value": "bob"}]
    told = post("fork/preview", {"seq": 10, "effect_mode": "live", "state_patch": patch}, 200)
    [effect] = told["effects"]
    assert (effect["seq"], effect["tool"], effect["args"], effect["fate"]) == (
        12,
        "test.mail",
        {"to": "ada"},
        "again",
    )
    assert (told["node"], told["n_effects"], told["patch"]) == ("send", 1, patch)
    assert "every write happens again" in told["words"]
    for mode, fate in (("recorded", "served"), ("dry", "simulated")):
        [effect] = post("fork/preview", {"seq": 10, "effect_mode": mode}, 200)["effects"]
        assert effect["fate"] == fate
    assert Run.objects.count() == 1


def test_a_rewind_says_before_what_it_would_do(post: Callable[..., Any], run: Run) -> None:
    told = post("rewind/preview", {"seq": 10}, 200)
    assert ([effect["fate"] for effect in told["effects"]], told["node"]) == (["served"], "send")
    moved = post("rewind", {"seq": 10, "reason": "again"}, 202)
    assert (moved["status"], moved["node"], moved["error"]) == ("queued", "send", None)
    refused = post("rewind", {"seq": 10}, 409)
    assert (refused["code"], "pause" in refused["legal"]) == ("illegal_move", True)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"seq": 10}, 422, "/effect_mode"),
        ({"seq": 10, "effect_mode": "wet"}, 422, "/effect_mode"),
        ({"seq": -1, "effect_mode": "dry"}, 422, "/seq"),
        ({"seq": 1 << 70, "effect_mode": "dry"}, 422, "/seq"),
        ({"seq": 10, "effect_mode": "dry", "model": "x"}, 422, "/model"),
        ({"seq": 10, "effect_mode": "dry", "outputs": {"x": 1}}, 422, "/outputs/x/[key]"),
        (
            {"seq": 10, "effect_mode": "dry", "state_patch": [{"op": "add", "path": "n", "value": 1}]},
            422,
            "/state_patch/0",
        ),
        (
            {"seq": 10, "effect_mode": "dry", "state_patch": [{"op": "replace", "path": "/n", "value": "a"}]},
            422,
            "/n",
        ),
        ({"seq": 10, "effect_mode": "dry", "input": []}, 422, ""),
        ({"seq": 10, "effect_mode": "dry", "outputs": {"12": {}}}, 422, ""),
        ({"seq": 10, "effect_mode": "dry", "outputs": {"5": 1}}, 422, "/outputs/5"),
        ({"seq": 99, "effect_mode": "dry"}, 404, None),
        ({"seq": 10, "effect_mode": "dry", "version": 99}, 404, None),
        ({"seq": 10, "effect_mode": "dry", "what": 1}, 422, "/what"),
    ],
)
@pytest.mark.parametrize("path", ["fork", "fork/preview"])
def test_what_does_not_fit_is_told_with_its_place(
    post: Callable[..., Any], path: str, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    told = post(path, body, status)
    if pointer is not None:
        assert pointer in [error["pointer"] for error in told["errors"]]
    assert Run.objects.count() == 1


def test_a_viewer_may_look_and_not_fork(world: World, api: Api, run: Run) -> None:
    viewer = api(world.cyd, world.analytical)
    body = {"seq": 10, "effect_mode": "dry"}
    for path, status in (("fork", 403), ("rewind", 403), ("fork/preview", 200)):
        sent = {"seq": 10} if path == "rewind" else body
        answer = viewer.post(f"/api/v1/runs/{run.pk}/{path}", sent, content_type="application/json")
        assert answer.status_code == status


def test_states_of_both_branches_can_be_read_and_compared(
    world: World, api: Api, post: Callable[..., Any], run: Run
) -> None:
    post("rewind", {"seq": 4}, 202)
    drive(run)
    client = api(world.ada, world.analytical)
    numbers = [
        client.get(f"/api/v1/runs/{run.pk}/checkpoints/{seq}").json()["state"]["n"]
        for seq in (3, 4, 9, 15, 16)
    ]
    assert numbers == [3, 4, 9, 5, 6]
    steps = client.get(f"/api/v1/runs/{run.pk}/steps?depth=0").json()["items"]
    assert {(step["seq"], step["branch"]) for step in steps} >= {(9, 1), (15, 2)}
    assert client.get(f"/api/v1/runs/{run.pk}/diff?a=9&b=16").json()["summary"]["keys"] == ["log", "n"]
    told = client.get(f"/api/v1/runs/{run.pk}").json()
    assert (told["branch"], told["effect_mode"]) == (2, "inherit")
    mails = [
        step
        for step in client.get(f"/api/v1/runs/{run.pk}/steps").json()["items"]
        if step["name"] == "test.mail"
    ]
    assert [step["reuse"] for step in mails] == ["", "inherited"]


def test_the_branches_and_forks_of_a_run_are_listed(
    world: World, api: Api, post: Callable[..., Any], run: Run
) -> None:
    fork = post("fork", {"seq": 3, "effect_mode": "dry"}, 202)
    post("rewind", {"seq": 10, "reason": "again"}, 202)
    told = api(world.ada, world.analytical).get(f"/api/v1/runs/{run.pk}/branches").json()
    assert [(b["number"], b["parent_number"], b["cause"], b["is_current"]) for b in told["branches"]] == [
        (1, 0, "start", False),
        (2, 1, "rewind", True),
    ]
    assert (told["branches"][1]["from_seq"], told["branches"][1]["reason"]) == (10, "again")
    assert [(f["id"], f["seq"]) for f in told["forks"]] == [(fork["id"], 3)]
    own = api(world.ada, world.analytical).get(f"/api/v1/runs/{fork['id']}/branches").json()
    assert [(b["cause"], b["from_run"], b["effect_mode"]) for b in own["branches"]] == [
        ("fork", str(run.pk), "dry")
    ]
