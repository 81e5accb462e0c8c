"""Checking a run's chain, and moving a paused run to other code, over the API."""

from typing import Any

import pytest

from runs.models import AgentVersion, Checkpoint, Outcome, Run
from runs.selectors import verdicts
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(world: World, api: Any) -> Any:
    return api(world.ada, world.analytical)


def post(client: Any, run: Run, verb: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/runs/{run.id}/{verb}", body, content_type="application/json")


def test_a_whole_run_is_checked(world: World, ada: Any) -> None:
    run = drive(a_run("test-steps", {"n": 3}, team=world.analytical))
    assert ada.get(f"/api/v1/runs/{run.id}/verify").json() == {
        "clean": True, "rows": 4, "failures": [], "last_good_seq": 3,
    }  # fmt: skip


def test_what_was_changed_is_named_and_nothing_is_written(world: World, ada: Any) -> None:
    run = drive(a_run("test-calls", {"tool": "test.echo", "args": {"value": 1}}, team=world.analytical))
    Outcome.objects.filter(run=run).update(body=b"2")
    found = ada.get(f"/api/v1/runs/{run.id}/verify").json()
    assert (found["clean"], len(found["failures"])) == (False, 1)
    assert "the outcome" in found["failures"][0]
    run.refresh_from_db()
    assert run.health == []


def test_a_broken_checkpoint_leaves_the_one_before_as_the_last_good(world: World, ada: Any) -> None:
    run = drive(a_run("test-steps", {"n": 3}, team=world.analytical))
    Checkpoint.objects.filter(run=run, seq=3).update(body=b"[]", codec=0)
    assert ada.get(f"/api/v1/runs/{run.id}/verify").json()["last_good_seq"] == 2


def test_a_run_that_is_too_long_names_the_command(
    world: World, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MAX_ROWS", 2)
    run = drive(a_run("test-steps", {"n": 3}, team=world.analytical))
    answer = ada.get(f"/api/v1/runs/{run.id}/verify")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert f"verify_chain {run.id}" in answer.json()["detail"]


def a_changed_run(world: World) -> Run:
    run = a_run("test-steps", {"n": 2}, team=world.analytical)
    new = run.agent_version
    AgentVersion.objects.filter(pk=new.pk).update(number=2)
    old = AgentVersion.objects.create(
        team=world.analytical, agent_id=new.agent_id, number=1, program="gone", program_version="1", source_hash="0" * 64,
        input_schema={}, published_at=new.published_at,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(agent_version=old, status="paused", paused_from="queued")
    return run


@pytest.mark.parametrize("body", [{}, {"version": 2, "reason": "it is mended"}])
def test_a_paused_run_goes_on_in_another_version(world: World, ada: Any, body: dict[str, Any]) -> None:
    run = a_changed_run(world)
    answer = post(ada, run, "migrate", body)
    assert (answer.status_code, answer.json()["version"], answer.json()["status"]) == (202, 2, "queued")
    assert drive(run).status == "succeeded"


def test_a_version_that_cannot_go_on_is_refused_at_its_pointer(world: World, ada: Any) -> None:
    run = a_changed_run(world)
    answer = post(ada, run, "migrate", {"version": 1})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/version")
    assert post(ada, run, "migrate", {"version": 7}).status_code == 404
    assert post(ada, run, "migrate", {"version": "2"}).status_code == 422


def test_only_a_paused_run_is_migrated_and_only_by_those_who_may_run(
    world: World, ada: Any, api: Any
) -> None:
    run = a_run("test-steps", {"n": 2}, team=world.analytical)
    viewer = api(world.cyd, world.analytical)
    changed = a_changed_run(world)
    for body in ({}, {"version": 7}):
        assert post(viewer, changed, "migrate", body).status_code == 403, "before any other fault"
    Run.objects.filter(pk=run.pk).update(status="failed", ended_at="2026-01-01T00:00:00Z")
    answer = post(ada, run, "migrate", {})
    assert (answer.status_code, answer.json()["legal"]) == (409, ["retry", "rewind"])
