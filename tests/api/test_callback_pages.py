"""The tab of a run's callbacks and the page of the signing secret."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from runs.models import Callback, Run
from runs.services.send_callback import note_answer, send_callback, take_callback
from runs.services.start_run import start_run
from runs.services.tell_ends import tell_ends
from tests.personas import World, actor
from tests.receiver import Receiver, a_receiver
from tests.runs import drive

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


@pytest.fixture
def ada(world: World, client_for: Any) -> Client:
    client: Client = client_for(world.ada)
    return client


@pytest.fixture
def run(world: World, receiver: Receiver) -> Run:
    started, _ = start_run(
        actor=actor(world.ada), agent="test-steps", input={"n": 1}, callback_url=receiver.url
    )
    return started


def deliver() -> None:
    tell_ends()
    while taken := take_callback():
        note_answer(taken, send_callback(taken))


def text_of(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_the_tab_tells_what_was_answered_and_when_it_is_tried_next(
    ada: Client, run: Run, receiver: Receiver
) -> None:
    receiver.statuses, receiver.body = [503, 204], b"<b>closed</b>"
    address = f"/runs/{run.pk}/callbacks"
    assert address in text_of(ada, f"/runs/{run.pk}")
    assert "Nothing has been sent yet" in text_of(ada, address)
    drive(run)
    assert "It is about to be sent" in text_of(ada, address)
    deliver()
    page = text_of(ada, address)
    assert "503 Service Unavailable" in page
    assert "next attempt" in page
    assert "&lt;b&gt;closed&lt;/b&gt;" in page


def test_the_button_sends_it_again(ada: Client, run: Run, receiver: Receiver) -> None:
    drive(run)
    deliver()
    callback = Callback.objects.get()
    answer = ada.post(f"/runs/{run.pk}/callbacks/{callback.id}/send", follow=True)
    assert "about to be sent" in answer.content.decode() or "next attempt" in answer.content.decode()
    deliver()
    assert len(receiver.messages) == 2


def test_a_button_pressed_while_it_is_sent_says_so(ada: Client, run: Run) -> None:
    drive(run)
    tell_ends()
    taken = take_callback()
    assert taken
    answer = ada.post(f"/runs/{run.pk}/callbacks/{taken.id}/send")
    assert answer.status_code == 409
    assert "It is being sent at this moment" in answer.content.decode()


def test_a_viewer_has_no_button(world: World, client_for: Any, run: Run) -> None:
    drive(run)
    deliver()
    page = text_of(client_for(world.cyd), f"/runs/{run.pk}/callbacks")
    assert "Delivered" in page
    assert "Send again" not in page


def test_a_run_without_a_url_has_no_tab(world: World, ada: Client) -> None:
    run, _ = start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1})
    assert f"/runs/{run.pk}/callbacks" not in text_of(ada, f"/runs/{run.pk}")
    assert "started without a callback URL" in text_of(ada, f"/runs/{run.pk}/callbacks")


def test_a_new_secret_is_shown_once_and_kept_by_no_cache(ada: Client) -> None:
    answer = ada.post("/settings/callbacks")
    assert "whsec_" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert "whsec_" not in text_of(ada, "/settings/callbacks")


def test_a_viewer_makes_no_secret(world: World, client_for: Any) -> None:
    cyd = client_for(world.cyd)
    assert cyd.post("/settings/callbacks").status_code == 403
    assert "An admin of the team" in text_of(cyd, "/settings/callbacks")
