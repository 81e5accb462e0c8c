"""Reading runs over the API: lists, trees, states, differences; and cancelling."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import Checkpoint, Outcome, Run, Step
from runs.services.advance import advance
from runs.services.start_run import start_run
from tests import ledger
from tests.personas import World, actor
from tests.runs import a_worker, claim, drive

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/runs"


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def a_run(world: World, agent: str = "test-steps", state: Any = None, **options: Any) -> Run:
    return start_run(actor=actor(world.ada), agent=agent, input=state or {"n": 4}, **options)[0]


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


def test_the_list_is_newest_first_and_pages_by_cursor(world: World, ada: Client) -> None:
    runs = [str(a_run(world).id) for _ in range(5)]
    first = ada.get(f"{RUNS}?limit=2")
    second = ada.get(f"{RUNS}?limit=2&cursor={first.json()['next_cursor']}")
    third = ada.get(f"{RUNS}?limit=2&cursor={second.json()['next_cursor']}")
    assert ids(first) + ids(second) + ids(third) == runs[::-1]
    assert third.json()["next_cursor"] is None


def test_a_page_costs_as_many_queries_however_many_there_are(world: World, ada: Client) -> None:
    a_run(world)
    ada.get(RUNS)
    with CaptureQueriesContext(
        connection,
    ) as one:
        ada.get(RUNS)
    for _ in range(20):
        a_run(world)
    with CaptureQueriesContext(connection) as many:
        ada.get(RUNS)
    assert len(one) == len(many) == 4  # the token, its last use, which runs, the page
    assert not any('"input"' in query["sql"] or '"output"' in query["sql"] for query in many.captured_queries)


def test_filters_narrow_the_list(world: World, ada: Client) -> None:
    steps, calls = a_run(world), a_run(world, "test-calls", {"tool": "test.echo", "args": {"value": 1}})
    drive(steps)
    assert ids(ada.get(f"{RUNS}?status=succeeded")) == [str(steps.id)]
    assert ids(ada.get(f"{RUNS}?status=queued&status=succeeded")) == [str(calls.id), str(steps.id)]
    assert ids(ada.get(f"{RUNS}?agent=test-calls")) == [str(calls.id)]
    assert ids(ada.get(f"{RUNS}?q=status:succeeded,failed agent:test-steps")) == [str(steps.id)]
    assert ids(ada.get(f"{RUNS}?agent=test-calls&q=agent:test-steps")) == []


def test_bare_words_begin_words_of_the_title_or_the_id(world: World, ada: Client) -> None:
    run = a_run(world, title="Audit of crème.org (50% \\d)")
    a_run(world, title="Something else")
    for text in (
        "aud",
        "AUDIT crè",
        '"of crème"',
        "50%25",
        "\\d",
        str(run.id),
        str(run.id)[:20],
        run.id.hex[:24],
    ):
        assert ids(ada.get(f"{RUNS}?q={text}")) == [str(run.id)], text
    for text in ("udit", "a.*t", "\\w", "0" * 40, "0" * 32, "0" * 12, "abcd"):
        assert ids(ada.get(f"{RUNS}?q={text}")) == [], text


@pytest.mark.parametrize(
    ("query", "position", "suggestion"),
    [
        ("stat:failed", 0, "status:failed"),
        ("report status:faild", 14, "report status:failed"),
        ("http://x", 0, '"http://x"'),
        ("agent:", 6, None),
        ('a "b', 2, None),
    ],
)
def test_a_query_that_cannot_be_read_says_where(
    ada: Client, query: str, position: int, suggestion: str | None
) -> None:
    answer = ada.get(RUNS, {"q": query})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "bad_query")
    assert (problem["position"], problem.get("suggestion")) == (position, suggestion)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "status=lost"])
def test_parameters_that_do_not_fit_are_named(ada: Client, query: str) -> None:
    answer = ada.get(f"{RUNS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJ4IiwieSJd", "%F0%9F", "WzEsMl0", "bnVsbA"])
def test_a_cursor_of_something_else_is_refused(ada: Client, cursor: str) -> None:
    answer = ada.get(f"{RUNS}?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


def test_a_parameter_that_does_not_exist_is_refused(ada: Client) -> None:
    answer = ada.get(f"{RUNS}?stauts=failed")
    assert answer.status_code == 400
    assert "did you mean status" in answer.json()["detail"]


def test_a_finished_run_shows_its_output_and_its_tree(world: World, ada: Client) -> None:
    ledger.create()
    run = drive(a_run(world, "test-effects", {"n": 2, "run": "r"}))
    shown = ada.get(f"{RUNS}/{run.id}").json()
    assert (shown["status"], shown["output"], shown["steps"]) == ("succeeded", {"n": 2}, 6)
    assert shown["progress"] == {"done": 2, "total": 2, "note": ""}
    assert shown["ended_at"].endswith("Z")
    tree = ada.get(f"{RUNS}/{run.id}/steps").json()["items"]
    assert [(row["seq"], row["parent_seq"], row["kind"]) for row in tree] == [
        (1, 0, "node"), (2, 1, "tool"), (3, 1, "tool"), (4, 0, "node"), (5, 4, "tool"), (6, 4, "tool"),
    ]  # fmt: skip
    assert [row["seq"] for row in ada.get(f"{RUNS}/{run.id}/steps?depth=0").json()["items"]] == [1, 4]
    assert [row["seq"] for row in ada.get(f"{RUNS}/{run.id}/steps?after=4").json()["items"]] == [5, 6]
    page = ada.get(f"{RUNS}/{run.id}/steps?limit=4").json()
    behind = ada.get(f"{RUNS}/{run.id}/steps?limit=4&cursor={page['next_cursor']}").json()
    assert [row["seq"] for row in behind["items"]] == [5, 6]


def test_one_step_shows_what_went_in_and_came_out(world: World, ada: Client) -> None:
    ledger.create()
    run = drive(a_run(world, "test-effects", {"n": 1, "run": "r"}))
    written = ada.get(f"{RUNS}/{run.id}/steps/3").json()
    assert (written["name"], written["effect"], written["input"]) == (
        "test.ledger",
        "write",
        {"entry": "r:0"},
    )
    assert (written["output"], written["error"], written["verified"]) == ({"applied": True}, None, True)
    assert written["idempotency_key"].startswith("idem_")
    node = ada.get(f"{RUNS}/{run.id}/steps/1").json()
    assert ["set", "/i", 1] in node["delta"]
    assert ada.get(f"{RUNS}/{run.id}/steps/99").status_code == 404


def test_a_failed_run_and_its_steps_say_why(world: World, ada: Client) -> None:
    run = drive(a_run(world, "test-misbehaves", {"how": "raises"}))
    shown = ada.get(f"{RUNS}/{run.id}").json()
    assert shown["status"] == "failed"
    assert "attempt 3" in shown["error"]["message"]
    assert shown["error_message"] == shown["error"]["message"]
    step = ada.get(f"{RUNS}/{run.id}/steps/{shown['error']['seq']}").json()
    assert step["error"] == shown["error"]
    assert [attempt["number"] for attempt in step["attempts"]] == [1, 2, 3]
    action = drive(a_run(world, "test-calls", {"tool": "test.flaky", "args": {"until": 9}}))
    failed = ada.get(f"{RUNS}/{action.id}/steps/2").json()
    assert (failed["status"], failed["output"], failed["error"]["code"]) == ("failed", None, "flaky")


def test_an_outcome_that_was_changed_in_the_database_shows_as_unverified(world: World, ada: Client) -> None:
    run = drive(a_run(world, "test-calls", {"tool": "test.echo", "args": {"value": 1}}))
    Outcome.objects.filter(run=run, seq=2).update(body=b"2", body_codec=0)
    assert ada.get(f"{RUNS}/{run.id}/steps/2").json()["verified"] is False


def test_every_state_can_be_read_and_compared(world: World, ada: Client) -> None:
    run = drive(a_run(world))
    listed = ada.get(f"{RUNS}/{run.id}/checkpoints").json()["items"]
    assert [row["seq"] for row in listed] == [1, 2, 3, 4]
    assert [row["node"] for row in listed] == ["step"] * 4
    state = ada.get(f"{RUNS}/{run.id}/checkpoints/2").json()
    assert state == {"seq": 2, "state": {"n": 4, "done": 2}, "hash": listed[1]["hash"], "verified": True}
    assert ada.get(f"{RUNS}/{run.id}/checkpoints/0").json()["state"] == {"n": 4}
    diff = ada.get(f"{RUNS}/{run.id}/diff?a=1&b=3").json()
    assert diff["patch"] == [{"op": "replace", "path": "/done", "value": 3}]
    assert diff["summary"] == {"added": 0, "removed": 0, "replaced": 1, "moved": 0, "keys": ["done"]}


def test_checkpoints_page_by_cursor(world: World, ada: Client) -> None:
    run = drive(a_run(world))
    page = ada.get(f"{RUNS}/{run.id}/checkpoints?limit=3").json()
    rest = ada.get(f"{RUNS}/{run.id}/checkpoints?limit=3&cursor={page['next_cursor']}").json()
    assert [row["seq"] for row in page["items"] + rest["items"]] == [1, 2, 3, 4]


def test_two_runs_can_be_compared(world: World, ada: Client) -> None:
    one, other = drive(a_run(world)), drive(a_run(world, state={"n": 2}))
    patch = ada.get(f"{RUNS}/{one.id}/diff?a=4&b={other.id}:2").json()["patch"]
    assert {operation["path"]: operation["value"] for operation in patch} == {"/n": 2, "/done": 2}


def test_a_step_without_a_checkpoint_names_the_nearest(world: World, ada: Client) -> None:
    run = drive(a_run(world, "test-calls", {"tool": "test.echo", "args": {"value": 1}}))
    answer = ada.get(f"{RUNS}/{run.id}/checkpoints/2")
    assert (answer.status_code, answer.json()["nearest"]) == (404, 1)
    assert ada.get(f"{RUNS}/{run.id}/checkpoints/3").status_code == 404


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_a_chain_that_was_tampered_with_is_409_and_says_where(world: World, ada: Client, harm: str) -> None:
    run = drive(a_run(world))
    row = Checkpoint.objects.filter(run=run, seq=2)
    if harm == "change":
        row.update(body=b'[["set","/done",7]]')
    else:
        row.delete()
    answer = ada.get(f"{RUNS}/{run.id}/checkpoints/3")
    assert (answer.status_code, answer.json()["code"]) == (409, "integrity_failed")
    assert ada.get(f"{RUNS}/{run.id}/checkpoints/2").json()["code"] == "integrity_failed"
    assert ada.get(f"{RUNS}/{run.id}/checkpoints/1").status_code == 200


def test_a_long_output_has_an_address_of_its_own(world: World, ada: Client) -> None:
    """The program returns its state, which grows from just under 1 MiB to just over it."""
    ledger.create()
    text = "x" * ((1 << 20) - 60)
    run = drive(a_run(world, "test-naps", {"run": "r", "seconds": 0, "text": text}))
    shown = ada.get(f"{RUNS}/{run.id}").json()
    assert (shown["status"], shown["output"]) == ("succeeded", None)
    assert ada.get(shown["output_url"]).json()["text"] == text
    short = ada.get(f"{RUNS}/{drive(a_run(world)).id}").json()
    assert (short["output"], short["output_url"]) == ({"done": 4}, None)


def test_a_queued_run_is_cancelled_at_once(world: World, ada: Client) -> None:
    run = a_run(world)
    answer = ada.post(f"{RUNS}/{run.id}/cancel", {"reason": "not needed"}, content_type="application/json")
    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["end_reason"]) == (202, "cancelled", "not needed")
    assert shown["ended_by"] == "ada (token test)"
    assert shown["ended_at"]
    again = ada.post(f"{RUNS}/{run.id}/cancel", {}, content_type="application/json")
    assert (again.status_code, again.json()["end_reason"]) == (202, "not needed")


def test_a_running_run_is_cancelled_at_its_next_commit(world: World, ada: Client) -> None:
    run = a_run(world)
    claimed = claim(a_worker())
    answer = ada.post(f"{RUNS}/{run.id}/cancel", {"reason": "enough"}, content_type="application/json")
    assert (answer.json()["status"], answer.json()["is_cancelling"]) == ("running", True)
    advance(claimed)
    shown = ada.get(f"{RUNS}/{run.id}").json()
    assert (shown["status"], shown["end_reason"]) == ("cancelled", "enough")
    assert Step.objects.filter(run=run).count() <= 1


def test_an_ended_run_cannot_be_cancelled_and_the_answer_names_the_legal_moves(
    world: World, ada: Client
) -> None:
    run = drive(a_run(world))
    answer = ada.post(f"{RUNS}/{run.id}/cancel", {}, content_type="application/json")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "illegal_move")
    assert (problem["run_status"], problem["legal"]) == ("succeeded", ["rewind"])


def test_agents_are_listed_with_what_they_take(ada: Client) -> None:
    listed = {agent["slug"]: agent for agent in ada.get("/api/v1/agents").json()["items"]}
    assert listed["test-steps"]["version"] == 1
    shown = ada.get("/api/v1/agents/test-steps").json()
    assert shown["input_schema"]["required"] == ["n"]
    assert [version["number"] for version in shown["versions"]] == [1]
    answer = ada.get("/api/v1/agents/test-stepz")
    assert (answer.status_code, "test-steps" in answer.json()["known"]) == (404, True)


def test_agents_page_by_cursor(ada: Client) -> None:
    everything = [agent["slug"] for agent in ada.get("/api/v1/agents").json()["items"]]
    page = ada.get("/api/v1/agents?limit=2").json()
    rest = ada.get(f"/api/v1/agents?cursor={page['next_cursor']}").json()
    assert [agent["slug"] for agent in page["items"] + rest["items"]] == everything


def test_the_verbs_lead_where_the_table_of_moves_says(world: World, ada: Client) -> None:
    def use(verb: str, run: Run) -> Any:
        return ada.post(f"{RUNS}/{run.id}/{verb}", {"reason": "why"}, content_type="application/json")

    run = a_run(world)
    assert use("pause", run).json()["status"] == "paused"
    assert use("resume", run).json()["status"] == "queued"
    assert use("kill", run).json()["status"] == "cancelled"
    assert (use("retry", run).status_code, use("retry", run).json()["legal"]) == (409, ["rewind"])
    failed = drive(a_run(world, "test-misbehaves", {"how": "fails"}))
    assert use("retry", failed).json()["status"] == "queued"


def test_an_answer_about_a_step_that_nobody_asks_about_is_409(world: World, ada: Client) -> None:
    run = drive(a_run(world))
    answer = {"outcome": "ran", "reason": "seen", "version": run.epoch}
    got = ada.post(f"{RUNS}/{run.id}/steps/1/resolve", answer, content_type="application/json")
    assert (got.status_code, got.json()["code"]) == (409, "illegal_move")
