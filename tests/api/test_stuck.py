"""Stuck runs over the API: kinds, episodes, remedies for all, and what an agent is watched for."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from agentops.audit.models import Entry
from runs.models import Agent, BulkJob, Nudge, Run, RunLook
from runs.services.watch_runs import add_episodes, look_at
from runs.services.work_on_bulk import work_on_bulk
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return client.generic(method, f"/api/v1{path}", json.dumps(body), content_type="application/json")


def held_up(world: World, program: str = "test-steps", status: str = "paused") -> Run:
    run = a_run(program, {"n": 1}, team=world.analytical)
    Run.objects.filter(pk=run.pk).update(status=status, health=["looping"])
    add_episodes([{
        "team_id": str(run.team_id), "run_id": str(run.pk), "agent_id": str(run.agent_id), "reason": "looping", "node": "login",
        "error": "", "text": "portal.login: 6 times", "fingerprint": "1-login", "from_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "from_seq": 0, "upto_seq": 0, "branch": 1,
    }])  # fmt: skip
    return run


def test_kinds_and_episodes_are_listed_and_one_remedy_helps_them_all(ada: Client, world: World) -> None:
    runs = [held_up(world) for _ in range(3)]
    [kind] = ada.get("/api/v1/stuck").json()["items"]
    assert (kind["fingerprint"], kind["node"], kind["open"], kind["episodes"]) == ("1-login", "login", 3, 3)
    got = ada.get("/api/v1/stuck/1-login?limit=2").json()
    assert len(got["episodes_page"]) == 2
    rest = ada.get(f"/api/v1/stuck/1-login?limit=2&cursor={got['next_cursor']}").json()
    assert {it["run"] for it in [*got["episodes_page"], *rest["episodes_page"]]} == {
        str(run.pk) for run in runs
    }
    job = send(ada, "POST", "/stuck/1-login/remedies", {"verb": "resume", "reason": "the door is open"})
    assert (job.status_code, job.json()["q"]) == (202, "stuck(fingerprint:1-login is:open)")
    while BulkJob.objects.get().state == "working":
        work_on_bulk()
    for run in runs:
        drive(run)
    look_at([run.pk for run in runs])
    got = ada.get("/api/v1/stuck/1-login").json()
    assert (got["open"], [(it["resolution"], it["episodes"]) for it in got["endings"]]) == (
        0,
        [("succeeded", 3)],
    )
    assert ada.get("/api/v1/stuck").json()["items"] == []
    assert [
        it["fingerprint"] for it in ada.get("/api/v1/stuck?view=past&q=node:login at:-2h").json()["items"]
    ] == ["1-login"]


def test_a_kind_is_resolved_and_noted(ada: Client, world: World) -> None:
    held_up(world)
    changed = send(ada, "PATCH", "/stuck/1-login", {"state": "resolved", "note": "Open the door."})
    assert (changed.status_code, changed.json()["state"], changed.json()["note"]) == (
        200,
        "resolved",
        "Open the door.",
    )
    assert Entry.objects.filter(action="stuck.decide").exists()
    assert send(ada, "PATCH", "/stuck/1-login", {"note": "x" * 2001}).status_code == 422
    assert send(ada, "PATCH", "/stuck/1-login", {"state": "gone"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/stuck/1-nobodys", 404), ("/stuck?q=nodee:login", 400), ("/stuck?q=(", 400), ("/stuck?view=all", 422), ("/stuck?cursor=x", 400),
        ("/agents/nobody/watch", 404), ("/agents/nobody/odds", 404),
    ],
)  # fmt: skip
def test_bad_requests_are_told_apart(ada: Client, path: str, status: int) -> None:
    assert ada.get(f"/api/v1{path}").status_code == status


def test_a_remedy_for_nobody_is_refused(ada: Client, world: World) -> None:
    assert send(ada, "POST", "/stuck/1-nobodys/remedies", {"verb": "resume"}).status_code == 404
    held_up(world)
    assert send(ada, "POST", "/stuck/1-login/remedies", {"verb": "dance"}).status_code == 422
    refused = send(ada, "POST", "/stuck/1-login/remedies", {"verb": "kill", "q": "nodee:x"})
    assert (refused.status_code, refused.json()["suggestion"]) == (400, "node:x")


def test_rules_are_set_and_those_that_make_no_sense_refused_with_the_place(ada: Client, world: World) -> None:
    held_up(world)
    got = ada.get("/api/v1/agents/test-steps/watch").json()
    assert (got["watch"], got["declared"], got["effective"]["looping"]["identical"]) == ({}, {}, 5)
    kept = send(
        ada, "PUT", "/agents/test-steps/watch", {"looping": {"identical": 9}, "overdue": {"is_on": False}}
    )
    assert kept.json()["effective"]["looping"]["identical"] == 9
    assert Agent.objects.get(slug="test-steps", team=world.analytical).watch["overdue"] == {"is_on": False}
    wrong = send(ada, "PUT", "/agents/test-steps/watch", {"looping": {"ladder": [{"do": "shout"}]}})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/looping/ladder/0/do")


def test_notes_and_wishes_for_a_run(ada: Client, world: World) -> None:
    run, talker = held_up(world), held_up(world, "test-talker", "queued")
    assert send(ada, "POST", f"/runs/{run.pk}/wanted").status_code == 202
    assert RunLook.objects.get().run_id == run.pk
    assert send(ada, "POST", f"/runs/{run.pk}/notes", {"text": "Try the back door."}).status_code == 409
    assert (
        send(
            ada, "POST", f"/runs/{talker.pk}/notes", {"text": "Try the back door.", "hand_off": True}
        ).status_code
        == 202
    )
    assert (Nudge.objects.get().do, Nudge.objects.get().text) == ("hand_off", "Try the back door.")


def test_the_odds_of_an_agent_are_those_of_its_steps(ada: Client, world: World) -> None:
    assert ada.get("/api/v1/agents/test-steps/odds").json() is None
    for status, n_steps, n_failed in (("succeeded", 9, 0), ("succeeded", 9, 1), ("failed", 9, 1)):
        run = a_run("test-steps", {"n": 1}, team=world.analytical)
        Run.objects.filter(pk=run.pk).update(status=status, n_steps=n_steps, n_failed_steps=n_failed)
    odds = ada.get("/api/v1/agents/test-steps/odds").json()
    assert (odds["runs"], odds["steps"], round(odds["step_success"], 4)) == (3, 9, round(27 / 29, 4))
    assert round(odds["implied"], 3) == round((27 / 29) ** 9, 3)
    assert round(odds["actual"], 3) == 0.667
