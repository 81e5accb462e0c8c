"""The tab of a run that says what it waits for, and lets people answer, write to it, wake it and cancel the wait."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import User
from runs.models import Run, Wait
from runs.services.advance import advance
from runs.services.start_run import start_run
from tests import ledger
from tests.personas import World, actor
from tests.runs import a_worker, claim, drive, output

pytestmark = pytest.mark.django_db
EVENT = {"kind": "event", "name": "paid", "key": "A-1", "match": {"ok": True}}


@pytest.fixture
def ada(world: World, client_for: Callable[[User], Client]) -> Client:
    ledger.create()
    return client_for(world.ada)


def suspended(world: World, state: Any, agent: str = "test-waits") -> Run:
    run, _ = start_run(actor=actor(world.ada), agent=agent, input=state)
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def page(client: Client, run: Run) -> str:
    answer = client.get(f"/runs/{run.id}/waits")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_what_is_waited_for_and_until_when(world: World, ada: Client) -> None:
    run = suspended(world, {"for": [EVENT, {"kind": "signal", "name": "stop"}]})
    shown = page(ada, run)
    for told in (
        "an event",
        "<code>paid</code>",
        "<code>A-1</code>",
        "a message to this run",
        "Wake now",
        "Cancel the wait",
    ):
        assert told in shown, told
    assert "It waits for: event paid of A-1 or signal stop" in ada.get(f"/runs/{run.id}").content.decode()


def test_a_message_wakes_the_run_or_is_kept(world: World, ada: Client) -> None:
    run = suspended(world, {"for": [{"kind": "signal", "name": "stop"}]})
    ada.post(f"/runs/{run.id}/waits/message", {"name": "later", "payload": "kept for later"})
    assert "kept for later" in page(ada, run)
    sent = ada.post(f"/runs/{run.id}/waits/message", {"name": "stop", "payload": '{"why": "enough"}'})
    assert sent.status_code == 302
    assert output(drive(run))["payload"] == {"why": "enough"}


@pytest.mark.parametrize(
    "typed", [{"name": "", "payload": "x"}, {"name": "n", "payload": '{"a": '}, {"name": "n" * 201}]
)
def test_a_message_that_does_not_fit_is_kept_in_the_form(
    world: World, ada: Client, typed: dict[str, str]
) -> None:
    run = suspended(world, {"for": [EVENT]})
    answer = ada.post(f"/runs/{run.id}/waits/message", typed)
    assert answer.status_code == 422
    assert 'id="say-error"' in answer.content.decode()
    assert typed["name"] in answer.content.decode()


def test_it_can_be_woken_and_its_wait_cancelled_once(world: World, ada: Client) -> None:
    run = suspended(world, {"for": [EVENT]})
    assert ada.post(f"/runs/{run.id}/waits/cancel").status_code == 302
    assert output(drive(run))["failed"] == "wait_cancelled"
    again = ada.post(f"/runs/{run.id}/waits/wake")
    assert again.status_code == 409
    assert "nothing was changed" in again.content.decode()


def test_a_reviewer_approves_edits_or_rejects(world: World, ada: Client) -> None:
    run = suspended(world, {"args": {"amount": 7}}, "test-asks")
    assert "It asks: Pay the bill" in ada.get(f"/runs/{run.id}").content.decode()
    wrong = ada.post(f"/runs/{run.id}/waits/2", {"type": "edit", "args": '{"amount": }'})
    assert wrong.status_code == 422
    assert "This is not JSON: line 1, column 12" in wrong.content.decode()
    assert ada.post(f"/runs/{run.id}/waits/2", {"type": "edit", "args": '{"amount": 6}'}).status_code == 302
    second = ada.post(f"/runs/{run.id}/waits/2", {"type": "approve"})
    assert second.status_code == 409
    assert output(drive(run)) == {"args": {"amount": 6}}
    assert "answered" in page(ada, run)


def test_a_question_with_choices_takes_one_of_them(world: World, ada: Client) -> None:
    run = suspended(world, {"question": "Which?", "choices": ["red", "blue"]}, "test-asks")
    assert ada.post(f"/runs/{run.id}/waits/2", {"type": "respond"}).status_code == 422
    assert ada.post(f"/runs/{run.id}/waits/2", {"type": "respond", "answer": "blue"}).status_code == 302
    assert Wait.objects.get().closed_by == "ada"


def test_a_viewer_sees_the_question_but_no_form(
    world: World, client_for: Callable[[User], Client], ada: Client
) -> None:
    run = suspended(world, {"args": {"amount": 7}}, "test-asks")
    shown = page(client_for(world.cyd), run)
    assert "A reviewer of the team can answer this." in shown
    assert 'name="type"' not in shown
