"""Callbacks over the API: what a URL may be, the log of what was told, sending it again, and the signing secret."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentops.common.ids import new_id
from runs.journal.fence import execute
from runs.models import CallbackSecret, Run
from runs.services.send_callback import note_answer, send_callback, take_callback
from runs.services.tell_ends import tell_ends
from tests.personas import World
from tests.receiver import Message, Receiver, a_receiver
from tests.runs import drive

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/runs"
SECRET = "/api/v1/callbacks/secret"
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


def start(client: Client, callback_url: Any, **more: Any) -> Any:
    body = {"agent": "test-steps", "input": {"n": 1}, "callback_url": callback_url, **more}
    return client.post(RUNS, json.dumps(body), content_type="application/json")


def an_ended_run(client: Client, receiver: Receiver) -> str:
    found: str = start(client, receiver.url).json()["id"]
    drive(Run.objects.get(pk=found))
    return found


def deliver() -> None:
    tell_ends()
    while taken := take_callback():
        note_answer(taken, send_callback(taken))


def callbacks(client: Client, run_id: str) -> Any:
    return client.get(f"{RUNS}/{run_id}/callbacks").json()["items"]


def again(client: Client, run_id: str, callback_id: Any) -> Any:
    return client.post(f"{RUNS}/{run_id}/callbacks/{callback_id}/send", content_type="application/json")


def test_a_start_takes_a_callback_url_and_shows_it(ada: Client) -> None:
    url = "https://receiver.example/hooks/agentops?team=7"
    answer = start(ada, url)
    assert answer.status_code == 202, answer.content
    assert ada.get(answer["Location"]).json()["callback_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "", "receiver.example", "ftp://receiver.example/", "file:///etc/passwd", "javascript:alert(1)", "https://",
        "https://user:secret@receiver.example/", "http://127.0.0.1:8000/", "http://localhost/", "http://LOCALHOST./",
        "http://db.localhost/", "http://[::1]/", "http://10.0.0.7/", "http://192.168.1.1/", "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://0/",
        "http://[::ffff:127.0.0.1]/", "http://100.64.0.1/", "http://224.0.0.1/", "http://a b/", "http://receiver.example:99999/",
        "https://receiver.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_a_url_that_leads_nowhere_or_inside_is_refused_with_a_pointer(ada: Client, url: str) -> None:
    answer = start(ada, url)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.content
    assert answer.json()["errors"][0]["pointer"] == "/callback_url"
    assert not Run.objects.exists()


def test_the_operator_may_allow_an_address_but_never_a_metadata_service(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_ALLOW", "127.0.0.1:9000,169.254.169.254:80")
    assert start(ada, "http://127.0.0.1:9000/hook").status_code == 202
    assert start(ada, "http://127.0.0.1:9001/hook").status_code == 422
    assert start(ada, "http://169.254.169.254/hook").status_code == 422


@FUZZ
@given(
    st.text(max_size=40)
    | st.from_regex(r"\Ahttps?://[!-~]{0,30}", fullmatch=True)
    | st.integers()
    | st.lists(st.text())
)
@example("http://[::1%25eth0]/")
@example("http://xn--/")
@example("http://\ud800.example/")
@example("http://1.2.3.4.5.6.7.8/")
@example("http://[/")
@example("http://%/")
def test_whatever_is_given_as_a_url_the_answer_is_not_500(ada: Client, url: Any) -> None:
    assert start(ada, url).status_code in {202, 422}


def test_the_same_key_with_another_url_is_a_conflict(ada: Client) -> None:
    one, other = "https://receiver.example/1", "https://receiver.example/2"
    answers = [start(ada, url, idempotency_key="k") for url in (one, one, other, None)]
    assert [answer.status_code for answer in answers] == [202, 200, 409, 409]


def test_the_log_tells_what_was_sent_and_answered(ada: Client, receiver: Receiver) -> None:
    receiver.statuses, receiver.body = [500, 200], b"try later"
    run_id = an_ended_run(ada, receiver)
    assert callbacks(ada, run_id) == []
    deliver()
    [one] = callbacks(ada, run_id)
    assert (one["state"], one["run_status"], one["attempts"], one["url"]) == (
        "due",
        "succeeded",
        1,
        receiver.url,
    )
    assert one["next_attempt_at"] > one["log"][0]["ended_at"]
    [attempt] = one["log"]
    assert (attempt["http_status"], attempt["answer"], attempt["error_code"]) == (
        500,
        "try later",
        "http_500",
    )
    assert attempt["elapsed_ms"] >= 0


def test_a_callback_is_sent_again_with_the_same_id_whatever_became_of_it(
    ada: Client, receiver: Receiver
) -> None:
    receiver.statuses = [410, 200]
    run_id = an_ended_run(ada, receiver)
    deliver()
    for state in ("given_up", "delivered"):
        [one] = callbacks(ada, run_id)
        assert one["state"] == state
        answer = again(ada, run_id, one["id"])
        assert (answer.status_code, answer.json()["state"]) == (202, "due")
        deliver()
    assert callbacks(ada, run_id)[0]["attempts"] == 3
    assert len({(message.headers["webhook-id"], message.body) for message in receiver.messages}) == 1


def test_sending_again_begins_the_retries_anew(ada: Client, receiver: Receiver) -> None:
    receiver.statuses = [500]
    run_id = an_ended_run(ada, receiver)
    deliver()
    execute("UPDATE runs_callback SET attempts = 10, state = 'given_up'", {})
    again(ada, run_id, callbacks(ada, run_id)[0]["id"])
    deliver()
    assert callbacks(ada, run_id)[0]["state"] == "due"


def test_what_is_being_sent_is_not_sent_again(ada: Client, receiver: Receiver) -> None:
    run_id = an_ended_run(ada, receiver)
    tell_ends()
    taken = take_callback()
    assert taken
    assert callbacks(ada, run_id)[0]["state"] == "sending"
    answer = again(ada, run_id, taken.id)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_callback_of_another_run_is_not_found(ada: Client, receiver: Receiver) -> None:
    run_id, other = an_ended_run(ada, receiver), an_ended_run(ada, receiver)
    deliver()
    assert again(ada, run_id, callbacks(ada, other)[0]["id"]).status_code == 404
    assert again(ada, run_id, new_id()).status_code == 404


def test_a_viewer_sees_the_log_and_sends_nothing(
    world: World, api: Any, ada: Client, receiver: Receiver
) -> None:
    run_id = an_ended_run(ada, receiver)
    deliver()
    cyd = api(world.cyd, world.analytical)
    [one] = callbacks(cyd, run_id)
    assert again(cyd, run_id, one["id"]).status_code == 403
    assert cyd.post(SECRET, content_type="application/json").status_code == 403


def is_signed_with(secret: str, message: Message) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = (
        f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    )
    expected = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return f"v1,{expected}" in message.headers["webhook-signature"].split()


def test_a_secret_is_shown_once_and_the_one_before_signs_along_for_a_day(
    ada: Client, receiver: Receiver
) -> None:
    first, second = (ada.post(SECRET, content_type="application/json").json()["secret"] for _ in range(2))
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
    items = ada.get(SECRET).json()["items"]
    assert [item["expires_at"] is None for item in items] == [True, False]
    assert "whsec" not in json.dumps(items)
    an_ended_run(ada, receiver)
    deliver()
    assert is_signed_with(first, receiver.messages[0])
    assert is_signed_with(second, receiver.messages[0])
    CallbackSecret.objects.filter(expires_at__isnull=False).update(expires_at="2026-01-01T00:00:00Z")
    an_ended_run(ada, receiver)
    deliver()
    assert not is_signed_with(first, receiver.messages[1])
    assert is_signed_with(second, receiver.messages[1])


def test_teams_sign_with_secrets_of_their_own(world: World, api: Any, receiver: Receiver) -> None:
    clients = [api(world.ada, world.analytical), api(world.bea, world.brook)]
    secrets = [client.post(SECRET, content_type="application/json").json()["secret"] for client in clients]
    for client in clients:
        an_ended_run(client, receiver)
        deliver()
    signed = [[is_signed_with(secret, message) for secret in secrets] for message in receiver.messages]
    assert signed == [[True, False], [False, True]]


def test_the_database_alone_does_not_give_the_secret_away(ada: Client, settings: Any) -> None:
    from runs.services.callback_keys import key_of

    secret = ada.post(SECRET, content_type="application/json").json()["secret"]
    row = CallbackSecret.objects.get()
    assert base64.b64encode(key_of(row)).decode() in secret
    settings.INTEGRITY_KEY = "the key of another installation"
    assert base64.b64encode(key_of(row)).decode() not in secret
