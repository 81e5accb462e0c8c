"""Many runs by one call, added to over days, and how far they are; and the children of a run."""

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from runs.journal.fence import execute
from runs.models import Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.runs import a_worker, claim, drive

pytestmark = pytest.mark.django_db
START = "/api/v1/runs/batch"
JSON = "application/json"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


@pytest.fixture
def bea(world: World, api: Any) -> Client:
    """Someone of another team."""
    client: Client = api(world.bea, world.brook)
    return client


def body(*hows: str, **more: Any) -> dict[str, Any]:
    inputs = [{"how": how, "n": n} for n, how in enumerate(hows)]
    return {"agent": "test-stubborn", "batch_id": "night 1", "inputs": inputs, **more}


def start(client: Client, *hows: str, **more: Any) -> Any:
    return client.post(START, body(*hows, **more), content_type=JSON)


def get(client: Client, name: str = "night 1") -> Any:
    return client.get(f"/api/v1/batches/{quote(name)}")


class TestStarting:
    def test_each_input_starts_a_run(self, ada: Client) -> None:
        answer = start(ada, "ok", "ok", "fail", tags=["x"], priority=5)
        assert answer.status_code == 202
        came = answer.json()
        assert (came["batch_id"], came["new"], came["next_index"], came["url"]) == (
            "night 1",
            3,
            3,
            "/batches/night%201",
        )
        runs = [Run.objects.get(pk=entry["id"]) for entry in came["runs"]]
        assert [entry["index"] for entry in came["runs"]] == [0, 1, 2]
        assert [(run.title, run.batch_id, run.tags, run.priority) for run in runs] == [
            (title, "night 1", ["x"], 5) for title in ("ok 0", "ok 1", "fail 2")
        ]
        assert {drive(run).status for run in runs} == {"succeeded", "failed"}

    def test_the_same_again_starts_nothing(self, ada: Client) -> None:
        first, second = start(ada, "ok", "ok").json(), start(ada, "ok", "ok").json()
        assert second == {**first, "new": 0}
        assert Run.objects.count() == 2

    def test_more_may_be_added_days_later(self, ada: Client) -> None:
        first = start(ada, "ok", "ok").json()
        execute("UPDATE runs_run SET created_at = created_at - interval '3 days'", {})
        second = start(ada, "ok", first_index=first["next_index"]).json()
        assert (second["new"], second["next_index"]) == (1, 3)
        assert get(ada).json()["total"] == 3

    def test_an_index_with_another_input_is_refused_and_nothing_is_started(self, ada: Client) -> None:
        start(ada, "ok", "ok")
        answer = start(ada, "ok", "fail", "ok")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/inputs/1"]
        assert "first_index" in answer.json()["detail"]
        assert Run.objects.count() == 2

    def test_what_does_not_fit_is_named_and_nothing_is_started(self, ada: Client) -> None:
        inputs = [{"how": "ok"}, {"how": "no"}, {}, {"how": "ok", "n": "x"}]
        answer = start(ada, inputs=inputs)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert [error["pointer"] for error in answer.json()["errors"]] == [
            "/inputs/1/how",
            "/inputs/2",
            "/inputs/3/n",
        ]
        assert Run.objects.count() == 0

    @pytest.mark.parametrize(
        ("more", "status", "pointer"),
        [
            ({"inputs": []}, 422, "/inputs"),
            ({"inputs": [{"how": "ok"}] * 1001}, 422, "/inputs"),
            ({"batch_id": ""}, 422, "/batch_id"),
            ({"batch_id": "b" * 101}, 422, "/batch_id"),
            ({"first_index": -1}, 422, "/first_index"),
            ({"first_index": 1 << 40}, 422, "/first_index"),
            ({"priority": 101}, 422, "/priority"),
            ({"tags": [""]}, 422, "/tags/0"),
        ],
    )
    def test_what_is_out_of_bounds_is_refused_with_a_pointer(
        self, ada: Client, more: Any, status: int, pointer: str
    ) -> None:
        answer = start(ada, "ok", **more)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["pointer"] == pointer

    def test_an_agent_that_is_not_there_is_404(self, ada: Client) -> None:
        assert start(ada, "ok", agent="nobody").status_code == 404

    def test_a_thousand_are_started_by_one_call(self, ada: Client) -> None:
        assert start(ada, *["ok"] * 1000).json()["new"] == 1000
        assert Run.objects.filter(status="queued").count() == 1000


class TestReading:
    def test_it_counts_by_status_and_shows_what_failed(self, ada: Client) -> None:
        ids = [entry["id"] for entry in start(ada, "ok", "fail", "ok", "ok").json()["runs"]]
        Run.objects.filter(pk=ids[3]).update(priority=-1)  # stands behind the others
        for run_id in ids[:3]:
            drive(Run.objects.get(pk=run_id))
        Run.objects.filter(pk=ids[0]).update(cost_microusd=1500, tokens_in=10, tokens_out=5)
        came = get(ada).json()
        assert came["counts"] == {"succeeded": 2, "failed": 1, "queued": 1}
        assert (came["total"], came["ended"], came["failed"], came["ended_at"]) == (4, 3, 1, None)
        assert (came["cost_microusd"], came["tokens"]) == (1500, {"input": 10, "output": 5})
        assert [(run["id"], run["error_message"]) for run in came["failures"]] == [(ids[1], "it had to be")]
        drive(Run.objects.get(pk=ids[3]))
        assert get(ada).json()["ended_at"] is not None

    def test_a_run_that_names_a_batch_by_itself_belongs_to_it(self, world: World, ada: Client) -> None:
        start_run(actor=actor(world.ada), agent="test-stubborn", input={"how": "ok"}, batch_id="a/b ü")
        assert get(ada, "a/b ü").json()["total"] == 1
        assert [row["batch_id"] for row in ada.get("/api/v1/batches").json()["items"]] == ["a/b ü"]

    def test_the_list_pages_by_cursor_newest_first(self, ada: Client) -> None:
        for n in range(3):
            start(ada, "ok", batch_id=f"b{n}")
        first = ada.get("/api/v1/batches?limit=2").json()
        second = ada.get(f"/api/v1/batches?limit=2&cursor={first['next_cursor']}").json()
        assert [row["batch_id"] for row in first["items"] + second["items"]] == ["b2", "b1", "b0"]
        assert [row["total"] for row in first["items"]] == [1, 1]
        assert second["next_cursor"] is None

    def test_another_team_sees_none_of_it(self, ada: Client, bea: Client) -> None:
        start(ada, "ok")
        assert get(bea).status_code == 404
        assert bea.get("/api/v1/batches").json()["items"] == []
        assert get(ada, "unknown").status_code == 404


class TestChildren:
    @pytest.fixture
    def parent(self, world: World) -> Run:
        given = {"how": "map", "agent": "test-stubborn", "inputs": [{"how": "ok", "n": n} for n in range(5)]}
        parent, _ = start_run(
            actor=actor(world.ada),
            agent="test-starts",
            input={**given, "more": {"concurrency": 2, "on_failure": "collect"}},
        )
        advance(claim(a_worker()))
        return parent

    def test_they_come_in_order_with_their_counts(self, world: World, ada: Client, parent: Run) -> None:
        advance(claim(a_worker()))
        cancel_run(actor=actor(world.ada), run_id=Run.objects.get(parent=parent, child_n=4).pk)
        address = f"/api/v1/runs/{parent.pk}/children"
        came = ada.get(f"{address}?limit=3").json()
        assert [run["title"] for run in came["items"]] == ["ok 0", "ok 1", "ok 2"]
        assert came["counts"] == {"succeeded": 1, "queued": 2, "waiting": 1, "cancelled": 1}
        assert (came["total"], came["ended"], came["failed"]) == (5, 2, 1)
        rest = ada.get(f"{address}?limit=3&cursor={came['next_cursor']}").json()
        assert [run["title"] for run in rest["items"]] == ["ok 3", "ok 4"]
        assert rest["next_cursor"] is None
        only = ada.get(f"{address}?status=cancelled&status=succeeded").json()["items"]
        assert [run["status"] for run in only] == ["succeeded", "cancelled"]
        assert only[1]["title"] == "ok 4"
        assert ada.get(f"{address}?seq=2").json()["items"]
        assert ada.get(f"{address}?seq=3").json()["items"] == []

    def test_a_child_names_its_parent_and_root(self, ada: Client, parent: Run) -> None:
        child = Run.objects.filter(parent=parent).order_by("id")[0]
        came = ada.get(f"/api/v1/runs/{child.pk}").json()
        assert (came["parent"], came["root"]) == (str(parent.pk), str(parent.pk))

    def test_another_team_sees_none_of_them(self, bea: Client, parent: Run) -> None:
        assert bea.get(f"/api/v1/runs/{parent.pk}/children").status_code == 404
