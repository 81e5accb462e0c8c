"""Agents of language models, against the rehearsal model and through the real shell."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agentops.accounts.roles import Actor, Scope
from agentops.demo.rehearsal.server import RehearsalModel
from runs.checkpoints.blobs import load
from runs.checkpoints.store import rebuild
from runs.json_schema import check
from runs.llm import hand_off
from runs.models import AgentVersion, Attempt, ModelGate, Outcome, Run, Step
from runs.selectors.runs import run_for
from runs.selectors.sessions import session_for
from runs.services.advance import advance
from tests.personas import World
from tests.rehearsal import KEY, asked_in_vain, bear_faults, provider, rehearsal_model
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[RehearsalModel]:
    with rehearsal_model() as found:
        yield found


@pytest.fixture
def model(server: RehearsalModel) -> RehearsalModel:
    provider(a_team().pk, server)
    return server


def script(*turns: dict[str, Any]) -> str:
    return f"Play this.\n```rehearsal\n{json.dumps(turns)}\n```"


def calling(tool: str, **args: Any) -> dict[str, Any]:
    return {"tool": tool, "args": args}


def talk(*turns: dict[str, Any], program: str = "test-talker", **more: Any) -> Run:
    return drive(a_run(program, {"task": script(*turns), **more}))


def messages(run: Run) -> list[Any]:
    return list(rebuild(run).state["messages"])


def test_an_agent_calls_tools_side_by_side_and_ends_with_what_it_found(model: RehearsalModel) -> None:
    two = {"calls": [calling("talk_double", number=4), calling("talk_double", number=5)]}
    run = talk(two, {"finish": "8 and 10"})
    assert run.status == "succeeded", run.error
    assert output(run) == {"output": "8 and 10"}
    assert [it["result"] for it in messages(run) if it["role"] == "tool"] == [8, 10, "accepted"]
    steps = list(Step.objects.filter(run=run, kind="llm").order_by("seq"))
    assert [step.tokens_in > 0 and step.tokens_out > 0 and step.cost_microusd > 0 for step in steps] == [
        True,
        True,
    ]
    assert run.cost_microusd == sum(step.cost_microusd for step in steps)
    assert run.tokens_in == sum(step.tokens_in for step in steps)


def test_requested_and_answering_model_stand_on_the_step(model: RehearsalModel) -> None:
    run = drive(a_run("test-one-question", {"question": "Hello?"}))
    told = output(run)
    assert told["requested"] == "rehearsal/rehearsal"
    assert told["answered"] == "rehearsal/rehearsal-1"
    assert told["usage"]["cost_microusd"] == told["usage"]["tokens_in"] + 2 * told["usage"]["tokens_out"]


def test_a_structured_answer_fits_its_schema(model: RehearsalModel) -> None:
    schema = {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
    }  # fmt: skip
    run = drive(a_run("test-one-question", {"question": "Where?", "schema": schema}))
    assert set(output(run)["output"]) == {"city"}


@pytest.mark.parametrize("fault", ["429", "429_bare", "500", "503", "timeout", "hang", "malformed", "cut"])
def test_one_fault_costs_one_attempt_and_the_run_ends_well(server: RehearsalModel, fault: str) -> None:
    made = provider(a_team().pk, server, timeout_seconds=0.4 if fault in ("timeout", "hang") else 30.0)
    server.behave(latency_ms=0, next=[fault], retry_after_seconds=0.05, hang_seconds=2)
    run = a_run("test-one-question", {"question": "Hello?"})
    advance(claim(a_worker()))
    bear_faults(made, server)
    assert drive(run).status == "succeeded", run.error
    assert Attempt.objects.filter(run=run).count() == 1


def test_a_key_that_is_refused_ends_the_run_with_the_reason_and_without_the_key(
    server: RehearsalModel,
) -> None:
    provider(a_team().pk, server)
    server.behave(latency_ms=0, faults={"401": 1.0})
    run = drive(a_run("test-one-question", {"question": "Hello?"}))
    assert run.status == "failed"
    assert "Incorrect API key" in run.error["message"]
    assert KEY not in json.dumps(run.error)
    assert server.meter.statuses[401] == 1


def test_the_page_of_a_request_tells_who_answered_and_who_was_passed_over(
    server: RehearsalModel, world: World, client_for: Callable[..., Client]
) -> None:
    provider(world.analytical.pk, server)
    given = {"question": "Hello?", "models": ["nobody/none", "rehearsal/rehearsal"]}
    run = drive(a_run("test-one-question", given, team=world.analytical))
    page = client_for(world.ada).get(f"/runs/{run.pk}/steps/2").content.decode()
    assert "Passed over: nobody/none: there is no provider" in page
    assert "asked for: nobody/none" in page
    assert "<code>rehearsal/rehearsal-1</code>" in page


def everything_stored() -> str:
    """All rows of all tables, as text; bytes as hexadecimal digits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [row[0] for row in cursor.fetchall()]
        found = []
        for name in names:
            cursor.execute(f"SELECT coalesce(json_agg(t)::text, '') FROM \"{name}\" t")
            found.append(cursor.fetchone()[0])
    return "\n".join(found)


def test_the_key_stands_nowhere(
    server: RehearsalModel, world: World, client_for: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    made = provider(world.analytical.pk, server)
    version = AgentVersion.objects.get(team=world.analytical, program="test-one-question")
    for faults in ([], ["401"], ["500", "cut"]):
        server.behave(latency_ms=0, next=faults)
        drive(a_run("test-one-question", {"question": "Hello?"}, team=version.team))
    stored = everything_stored()
    assert str(made.pk) in stored
    shown = [
        client_for(world.ada).get(path).content.decode()
        for run in Run.objects.all()
        for path in ("/settings/providers", f"/settings/providers/{made.slug}", f"/runs/{run.pk}", f"/runs/{run.pk}/steps/2", f"/runs/{run.pk}/log")
    ]  # fmt: skip
    assert any("Answers" in page for page in shown)
    for text in (stored, caplog.text, *shown, *os.environ.values()):
        assert KEY not in text
        assert KEY.encode().hex() not in text


def test_what_a_provider_asks_for_keeps_every_run_from_asking(model: RehearsalModel) -> None:
    model.behave(latency_ms=0, next=["429"], retry_after_seconds=30)
    worker = a_worker()
    for _ in range(3):
        a_run("test-one-question", {"question": "Hello?"})
        advance(claim(worker))
    assert model.meter.statuses[429] == 1
    assert sum(model.meter.statuses.values()) == 1
    assert set(Run.objects.values_list("status", flat=True)) == {"sleeping"}
    later = Run.objects.order_by("-id").first()
    assert later is not None
    assert "rate limit of rehearsal/rehearsal" in later.waiting_on["text"]
    assert not Attempt.objects.filter(run=later).exists()


def test_known_limits_are_never_run_into(server: RehearsalModel) -> None:
    limits = {"name": "rehearsal", "rpm": 30, "tpm": 100_000}
    provider(a_team().pk, server, catalog=[limits])
    server.behave(latency_ms=0, rpm=30, tpm=100_000)
    worker = a_worker()
    for _ in range(6):
        a_run("test-one-question", {"question": "Hello?"})
        advance(claim(worker))
    assert server.meter.statuses[429] == 0
    assert Run.objects.filter(status="succeeded").count() == 3
    assert Run.objects.filter(status="sleeping").exists()


def test_a_dead_provider_is_asked_three_times_and_then_the_other_answers_at_once(
    server: RehearsalModel,
) -> None:
    provider(a_team().pk, server, timeout_seconds=0.2)
    server.behave(latency_ms=0, faults={"timeout": 1.0}, hang_seconds=1)
    with rehearsal_model() as spare:
        provider(a_team().pk, spare, "backup")
        runs = [talk({"finish": "done"}) for _ in range(4)]
    assert {run.status for run in runs} == {"succeeded"}
    gate = ModelGate.objects.get(provider__slug="rehearsal")
    assert gate.state["open_until"] > 0
    assert asked_in_vain("rehearsal/rehearsal") == 3
    told = [load_answer(step) for step in Step.objects.filter(run=runs[-1], kind="llm")]
    assert told[0]["answered"] == "backup/rehearsal-1"
    assert "not asked, for it failed lately" in told[0]["decisions"][0]


def load_answer(step: Step) -> Any:
    from runs.checkpoints.blobs import load

    stored = Outcome.objects.get(run_id=step.run_id, seq=step.seq)
    return load(stored.body_codec, bytes(stored.body or b""))


def test_calls_that_do_not_fit_are_answered_with_the_schema_and_counted(model: RehearsalModel) -> None:
    bad = {"calls": [{"tool": "talk_double", "raw": '{"number": '}]}
    wrong = {"calls": [calling("talk_double", number="four"), calling("no_such_tool")]}
    run = talk(bad, wrong, {"finish": "after all"})
    assert run.status == "succeeded", run.error
    results = [it for it in messages(run) if it["role"] == "tool"]
    assert [it["is_error"] for it in results] == [True, True, True, False]
    assert "not a JSON object" in results[0]["result"]
    assert "/number" in results[1]["result"]
    assert "there is no tool" in results[2]["result"]
    never = talk(bad, bad, bad, bad)
    assert never.status == "failed"
    assert never.error["code"] == "malformed_calls"


def test_a_tool_that_fails_is_told_to_the_model(model: RehearsalModel) -> None:
    run = talk({"calls": [calling("talk_broken"), calling("talk_double", number=1)]}, {"finish": "well"})
    results = [(it["result"], it["is_error"]) for it in messages(run) if it["role"] == "tool"]
    assert "it is broken" in results[0][0]
    assert results[0][1]
    assert results[1] == (2, False)


def test_a_goal_counts_as_reached_only_when_its_checks_pass(model: RehearsalModel) -> None:
    checks = [{"kind": "tool_succeeded", "tool": "talk.double", "text": "the number doubled by the tool"}]
    run = talk(
        {"finish": "8"}, {"calls": [calling("talk_double", number=4)]}, {"finish": "8"}, acceptance=checks
    )
    assert run.status == "succeeded"
    assert "the number doubled by the tool" in str(messages(run)[2]["result"])
    never = talk(*[{"finish": "8"}] * 8, acceptance=checks)
    assert never.error["code"] == "not_accepted"


def test_the_talk_is_summarised_with_its_range_and_the_originals_stay(model: RehearsalModel) -> None:
    turns = [{"calls": [calling("talk_long", characters=1500)]} for _ in range(5)]
    run = talk(*turns, {"finish": "done"}, program="test-summariser")
    assert run.status == "succeeded", run.error
    state = rebuild(run).state
    first = state["compactions"][0]
    assert first["strategy"] == "summarise"
    assert first["summary"].startswith("Rehearsal")
    assert (first["from"], first["to"] > first["from"]) == (1, True)
    assert len([it for it in state["messages"] if it["role"] == "tool"]) == 6


def test_a_new_session_sees_the_goal_and_the_hand_off_only(model: RehearsalModel) -> None:
    turns = [{"calls": [calling("talk_double", number=n)]} for n in range(5)]
    run = talk(*turns, {"finish": "done"}, program="test-hands-over")
    assert run.status == "succeeded", run.error
    state = rebuild(run).state
    assert [it["to_session"] for it in state["handoffs"]] == [2, 3]
    assert set(state["handoffs"][0]["document"]) >= {"summary", "done", "next", "facts"}
    assert Step.objects.filter(run=run, kind="node", name="handoff").count() == 2


def first_requests(run: Run) -> list[list[Any]]:
    """What the model was shown first in each session behind the first."""
    handed = Step.objects.filter(run=run, kind="node", name="handoff").values_list("seq", flat=True)
    asked = Outcome.objects.filter(run=run, seq__in=Step.objects.filter(run=run, kind="llm").values("seq"))
    later = [asked.filter(seq__gt=seq).order_by("seq")[1] for seq in handed]
    return [load(one.request_codec, one.request)["args"]["messages"] for one in later]


@pytest.mark.parametrize(
    ("program", "because"),
    [
        ("test-hands-over", "2 tool calls"),
        ("test-tires", "0.05 seconds of work"),
        ("test-fills", "1,000 tokens of the context window"),
        ("test-spends", "500 tokens"),
    ],
)
def test_each_limit_ends_a_session_and_the_next_begins_from_goal_and_document(
    model: RehearsalModel, program: str, because: str
) -> None:
    model.behave(latency_ms=20)
    calls = calling("talk_double", number=7)
    if program == "test-fills":
        calls = calling("talk_long", characters=1500)
    run = talk(*[{"calls": [calls]} for _ in range(6)], {"finish": "done"}, program=program)
    assert run.status == "succeeded", run.error
    handed = rebuild(run).state["handoffs"]
    assert handed[0]["because"] == because
    actor = Actor(run.team_id, None, "Ada", frozenset(Scope))
    assert session_for(actor, run_for(actor, run.pk)) == {"number": len(handed) + 1}
    for one in handed:
        check(one["document"], hand_off.SCHEMA, what="the hand-off")
    first = Step.objects.filter(run=run, kind="node", name="handoff").order_by("seq")[0]
    assert f"session 2 begins after {because}: " in first.summary
    for shown in first_requests(run):
        assert [message["role"] for message in shown] == ["user"]
        assert shown[0]["text"].startswith("Play this.")
        assert "Hand-off from the session before:" in shown[0]["text"]
