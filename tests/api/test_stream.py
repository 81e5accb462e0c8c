"""`GET /runs/{id}/stream`: what has happened so far, and where to go on."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from agentops.common.ids import new_id
from runs.models import LogLine, Run
from runs.presenters.stream import events_of
from runs.selectors.news import news_for
from runs.selectors.told import Told
from runs.services.advance import advance
from runs.services.kill_run import kill_run
from runs.services.retry_run import retry_run
from runs.services.start_run import start_run
from tests import ledger
from tests.personas import World, actor
from tests.runs import a_worker, claim, drive, make_due
from tests.streams import Event, events

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def start(world: World, agent: str, state: dict[str, Any]) -> Run:
    return start_run(actor=actor(world.ada), agent=agent, input=state)[0]


def ask(client: Client, run: Run, last: str = "") -> Any:
    return client.get(f"/api/v1/runs/{run.pk}/stream", headers={"Last-Event-ID": last} if last else None)


def told(client: Client, run: Run, last: str = "") -> list[Event]:
    answer = ask(client, run, last)
    assert answer.status_code in {200, 204}, answer.content
    return events(answer.content)


def an_ended_run(world: World) -> Run:
    """Return a run with nodes, actions, lines, progress and a sleep."""
    ledger.create()
    run = drive(start(world, "test-naps", {"run": "r", "seconds": 60}))
    for seq, n in ((1, 7), (2, 7), (2, 8)):
        LogLine.objects.create(run=run, seq=seq, n=n, team_id=run.team_id, level="info", message=f"line\n{n}")
    Run.objects.filter(pk=run.pk).update(progress_done=3, progress_total=4, progress_note="pages")
    return run


def test_an_ended_run_is_told_from_its_beginning_to_its_last_status(world: World, ada: Client) -> None:
    run = an_ended_run(world)
    answer = ask(ada, run)
    assert answer["Content-Type"] == "text/event-stream; charset=utf-8"
    found = events(answer.content)
    seqs = [event.data["seq"] for event in found if event.name == "step"]
    assert seqs == list(run.steps.order_by("seq").values_list("seq", flat=True))
    assert {event.name for event in found} == {"step", "log", "progress", "status"}
    assert (found[-1].name, found[-1].data["status"]) == ("status", "succeeded")
    assert [event.data["message"] for event in found if event.name == "log"].count("line\n8") == 1
    assert found[-2].data == {"done": 3, "total": 4, "note": "pages"}


def test_a_stream_resumed_behind_any_event_gives_the_same_tail(world: World, ada: Client) -> None:
    run = an_ended_run(world)
    whole = told(ada, run)
    assert len(whole) > 8
    for n, event in enumerate(whole, 1):
        assert told(ada, run, event.id) == whole[n:], event.id


def test_a_stream_that_was_told_whole_is_over(world: World, ada: Client) -> None:
    run = an_ended_run(world)
    assert ask(ada, run, told(ada, run)[-1].id).status_code == 204


def test_nothing_is_lost_or_repeated_while_a_run_goes_on(world: World, ada: Client) -> None:
    """Asks after each slice of a run, from the last event it got; what it got in sum is what happened."""
    ledger.create()
    run = start(world, "test-naps", {"run": "r", "seconds": 60})
    worker, last, heard = a_worker(), "", list[Event]()
    for _ in range(20):
        heard += told(ada, run, last)
        last = heard[-1].id
        run.refresh_from_db()
        if run.ended_at:
            break
        make_due(run)
        Run.objects.filter(pk=run.pk, status="sleeping").update(status="queued")
        advance(claim(worker))
    steps = [event.data["seq"] for event in heard if event.name == "step"]
    assert sorted(steps) == list(run.steps.order_by("seq").values_list("seq", flat=True))
    assert steps != sorted(steps), "an action is told before its node"
    lines = [(event.data["seq"], event.data["n"]) for event in heard if event.name == "log"]
    assert lines == list(LogLine.objects.filter(run=run).order_by("seq", "n").values_list("seq", "n"))
    statuses = [event.data["status"] for event in heard if event.name == "status"]
    assert statuses == ["queued", "sleeping", "sleeping", "succeeded"] or statuses == [
        "queued",
        "sleeping",
        "succeeded",
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_small_portions_tell_the_same(world: World, ada: Client, limit: int) -> None:
    run = an_ended_run(world)
    reader, so_far, body = actor(world.ada), Told(), b""
    for _ in range(100):
        news = news_for(reader, run.pk, so_far, limit=limit)
        more, so_far = events_of(news, so_far)
        body += more
        if news.is_all:
            break
    assert events(body) == told(ada, run)


def test_a_node_that_is_retried_is_told_again_with_its_new_lines(world: World, ada: Client) -> None:
    ledger.create()
    run = drive(start(world, "test-second-try", {"run": "r"}))
    LogLine.objects.create(run=run, seq=1, n=1, team_id=run.team_id, level="info", message="first try")
    before = told(ada, run)
    assert [event.data["status"] for event in before if event.name == "step" and event.data["seq"] == 1] == [
        "failed"
    ]
    ledger.allow_success()
    retry_run(actor=actor(world.ada), run_id=run.pk)
    drive(run)
    LogLine.objects.create(run=run, seq=1, n=2, team_id=run.team_id, level="info", message="second try")
    after = told(ada, run, before[-1].id)
    assert [event.data["status"] for event in after if event.name == "step" and event.data["seq"] == 1] == [
        "succeeded"
    ]
    assert [event.data["message"] for event in after if event.name == "log"] == ["second try"]
    assert after[-1].data["status"] == "succeeded"
    seqs = [event.data["seq"] for event in [*before, *after] if event.name == "step"]
    assert sorted(set(seqs)) == list(run.steps.order_by("seq").values_list("seq", flat=True))
    assert told(ada, run, after[-2].id) == after[-1:]


def test_a_killed_run_is_told_with_the_steps_that_were_open(world: World, ada: Client) -> None:
    ledger.create()
    run = start(world, "test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    first = told(ada, run)
    kill_run(actor=actor(world.ada), run_id=run.pk, reason="enough")
    then = told(ada, run, first[-1].id)
    assert [(event.name, event.data["status"]) for event in then] == [
        ("step", "cancelled"),
        ("status", "cancelled"),
    ]
    assert (then[-1].data["ended_by"], then[-1].data["end_reason"]) == ("ada", "enough")


def test_the_id_may_come_in_the_address(world: World, ada: Client) -> None:
    run = an_ended_run(world)
    whole = told(ada, run)
    answer = ada.get(f"/api/v1/runs/{run.pk}/stream", {"last_event_id": whole[2].id})
    assert events(answer.content) == whole[3:]


@pytest.mark.parametrize("last", ["x", "1-", "5-3////", "1////" + "9" * 20_000, "-1////"])
def test_an_id_that_is_none_of_ours_is_400(world: World, ada: Client, last: str) -> None:
    answer = ask(ada, an_ended_run(world), last)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


def test_other_teams_and_visitors_hear_nothing(world: World, api: Any, ada: Client) -> None:
    run = an_ended_run(world)
    assert ask(api(world.bea, world.brook), run).status_code == 404
    assert ask(Client(), run).status_code == 401
    assert ada.get(f"/api/v1/runs/{UUID(int=new_id().int)}/stream").status_code == 404
