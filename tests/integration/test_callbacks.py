"""The end of a run is told to its callback URL: signed, at least once, and never at the expense of others."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.conf import conf
from runs.journal.fence import execute, query
from runs.models import Callback, CallbackAttempt, Run
from runs.services.callback_keys import signing_keys
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.retry_run import retry_run
from runs.services.send_callback import (
    DELAYS_SECONDS,
    MAX_ATTEMPTS,
    note_answer,
    send_callback,
    take_callback,
)
from runs.services.sweep import expire_overdue
from runs.services.tell_ends import tell_ends
from tests.demo import a_server, drips, says
from tests.receiver import Receiver, a_receiver
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


def a_run_with(url: str, program: str = "test-steps", state: dict[str, Any] | None = None) -> Run:
    run = a_run(program, state or {"n": 2})
    Run.objects.filter(pk=run.pk).update(callback_url=url)
    return run


def person(run: Run) -> Actor:
    return Actor(run.team_id, None, "Ada", frozenset(Scope))


def an_ended_run(url: str) -> Run:
    return drive(a_run_with(url))


def deliver() -> int:
    """Send everything that is due, one after the other; return how many requests that were."""
    tell_ends()
    n = 0
    while taken := take_callback():
        note_answer(taken, send_callback(taken))
        n += 1
    return n


def make_due() -> None:
    execute("UPDATE runs_callback SET due_at = clock_timestamp() - interval '1 s'", {})


def seconds_until_due() -> float:
    [(seconds,)] = query(
        "SELECT extract(epoch from due_at - clock_timestamp())::float8 FROM runs_callback", {}
    )
    return float(seconds)


def the_callback() -> Callback:
    return Callback.objects.get()


def log() -> list[tuple[Any, ...]]:
    found = CallbackAttempt.objects.order_by("number")
    return list(found.values_list("number", "http_status", "error_code"))


def test_the_end_is_told_with_the_output(receiver: Receiver) -> None:
    run = an_ended_run(receiver.url)
    assert deliver() == 1
    [message] = receiver.messages
    told = json.loads(message.body)
    assert told["type"] == "run.ended"
    assert (told["run"]["id"], told["run"]["status"]) == (str(run.pk), "succeeded")
    assert (told["run"]["agent"], told["run"]["output"], told["run"]["error"]) == (
        "test-steps",
        {"done": 2},
        None,
    )
    assert message.headers["content-type"] == "application/json"
    assert message.headers["webhook-id"] == str(the_callback().id)
    assert (the_callback().state, log()) == ("delivered", [(1, 204, "")])
    assert deliver() == 0


def test_a_message_is_signed_over_its_very_bytes(receiver: Receiver) -> None:
    run = an_ended_run(receiver.url)
    deliver()
    [message] = receiver.messages
    content = (
        f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    )
    [key] = signing_keys(run.team_id)
    expected = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    assert message.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(message.headers["webhook-timestamp"]) - time.time()) < 60


@pytest.mark.parametrize("way", ["fail", "cancel", "kill", "expire"])
def test_every_way_to_end_is_told(receiver: Receiver, way: str) -> None:
    run = a_run_with(receiver.url, "test-calls", {"tool": "no-such-tool"})
    if way == "fail":
        drive(run)
    elif way == "expire":
        execute("UPDATE runs_run SET deadline_at = now() - interval '1 s' WHERE id = %(id)s", {"id": run.pk})
        expire_overdue()
    else:
        {"cancel": cancel_run, "kill": kill_run}[way](actor=person(run), run_id=run.pk, reason="enough")
    deliver()
    told = json.loads(receiver.messages[0].body)["run"]
    status = {"fail": "failed", "expire": "expired"}.get(way, "cancelled")
    assert told["status"] == status
    assert bool(told["error"]) == (way == "fail")
    if way in ("cancel", "kill"):
        assert (told["ended_by"], told["end_reason"]) == ("Ada", "enough")


def test_a_traceback_is_not_told(receiver: Receiver) -> None:
    drive(a_run_with(receiver.url, "test-calls", {"tool": "no-such-tool"}))
    deliver()
    assert set(json.loads(receiver.messages[0].body)["run"]["error"]) == {"code", "message", "seq"}


@pytest.mark.parametrize("n_bytes", [20_000, 200_000])
def test_a_long_output_is_a_link(receiver: Receiver, n_bytes: int) -> None:
    value = "".join(chr(33 + (i * 7919) % 90) for i in range(n_bytes))
    run = drive(a_run_with(receiver.url, "test-calls", {"tool": "test.echo", "args": {"value": value}}))
    deliver()
    told = json.loads(receiver.messages[0].body)["run"]
    assert (told["output"], told["output_url"]) == (None, f"/api/v1/runs/{run.pk}/output")
    assert len(receiver.messages[0].body) < 20_000


def test_runs_without_a_url_and_runs_that_go_on_are_not_told(receiver: Receiver) -> None:
    drive(a_run("test-steps", {"n": 1}))
    a_run_with(receiver.url)
    assert (tell_ends(), Callback.objects.count()) == (0, 0)


def test_a_run_that_ends_again_after_a_retry_is_told_again(receiver: Receiver) -> None:
    run = drive(a_run_with(receiver.url, "test-calls", {"tool": "no-such-tool"}))
    deliver()
    retry_run(actor=person(run), run_id=run.pk)
    assert tell_ends() == 0
    drive(run)
    deliver()
    first, second = (json.loads(message.body)["run"] for message in receiver.messages)
    assert (first["status"], second["status"]) == ("failed", "failed")
    assert first["ended_at"] < second["ended_at"]
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 2


def test_an_end_that_was_undone_meanwhile_is_not_told(receiver: Receiver) -> None:
    run = drive(a_run_with(receiver.url, "test-calls", {"tool": "no-such-tool"}))
    retry_run(actor=person(run), run_id=run.pk)
    assert (deliver(), receiver.messages) == (0, [])


def test_the_sweep_reads_its_index_and_nothing_else(receiver: Receiver) -> None:
    from runs.models.run import UNTOLD_END

    execute("SET LOCAL enable_seqscan = off", {})
    assert "run_untold_end" in Run.objects.filter(UNTOLD_END).order_by("ended_at")[:100].explain()


@pytest.mark.parametrize("status", [500, 503, 404, 301])
def test_any_answer_but_2xx_is_tried_again_with_the_same_id_and_body(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status, 200]
    receiver.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    receiver.body = b"not now"
    an_ended_run(receiver.url)
    assert deliver() == 1
    assert the_callback().state == "due"
    assert 4 < seconds_until_due() < 6
    make_due()
    assert deliver() == 1
    first, second = receiver.messages
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert (the_callback().state, log()) == ("delivered", [(1, status, f"http_{status}"), (2, 200, "")])
    assert CallbackAttempt.objects.get(number=1).answer == "not now"


def test_a_receiver_that_is_gone_is_left_alone(receiver: Receiver) -> None:
    receiver.statuses = [410]
    an_ended_run(receiver.url)
    deliver()
    make_due()
    assert (deliver(), the_callback().state) == (0, "given_up")


def test_retries_spread_over_a_day_and_then_end(receiver: Receiver) -> None:
    receiver.statuses = [500]
    an_ended_run(receiver.url)
    tell_ends()
    waited = 0.0
    for number in range(1, MAX_ATTEMPTS + 1):
        make_due()
        assert deliver() == 1
        assert the_callback().attempts == number
        if number < MAX_ATTEMPTS:
            assert (
                0.89 * DELAYS_SECONDS[number - 1] - 1 < seconds_until_due() < 1.1 * DELAYS_SECONDS[number - 1]
            )
            waited += seconds_until_due()
    assert the_callback().state == "given_up"
    assert waited == pytest.approx(24 * 3600, rel=0.1)
    make_due()
    assert deliver() == 0


def test_a_receiver_that_asks_for_patience_gets_it(receiver: Receiver) -> None:
    receiver.statuses, receiver.headers = [503], {"Retry-After": "120"}
    an_ended_run(receiver.url)
    deliver()
    assert 110 < seconds_until_due() <= 120


def test_a_huge_answer_is_cut(receiver: Receiver) -> None:
    receiver.statuses, receiver.body = [200], b"\0" + b"x" * 5_000_000
    an_ended_run(receiver.url)
    deliver()
    assert the_callback().state == "delivered"
    assert len(CallbackAttempt.objects.get().answer) == 500


@pytest.mark.parametrize("case", ["hangs", "drips", "nobody", "nonsense", "breaks"])
def test_a_receiver_that_does_not_answer_is_tried_again(
    case: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.AGENTOPS = {"callback_timeout_seconds": 0.4}
    behaviours = {
        "hangs": lambda _: time.sleep(0.8), "drips": drips, "nonsense": says("220 smtp ready"),
        "breaks": lambda connection: connection.close(), "nobody": lambda _: None,
    }  # fmt: skip
    codes = {"hangs": "http_timeout", "drips": "http_timeout", "nobody": "http_connect"}
    with a_server(behaviours[case]) as url:
        monkeypatch.setenv("HTTP_ALLOW", url.split("/")[2])
        target = url
    if case != "nobody":
        with a_server(behaviours[case]) as target:
            monkeypatch.setenv("HTTP_ALLOW", target.split("/")[2])
            an_ended_run(target)
            deliver()
    else:
        an_ended_run(target)
        deliver()
    assert (the_callback().state, log()) == ("due", [(1, None, codes.get(case, "http_protocol"))])


def test_a_body_that_never_ends_does_not_undo_the_status(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.AGENTOPS = {"callback_timeout_seconds": 0.4}

    def trickles(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfine")
        time.sleep(0.8)

    with a_server(trickles) as url:
        monkeypatch.setenv("HTTP_ALLOW", url.split("/")[2])
        an_ended_run(url)
        deliver()
    assert the_callback().state == "delivered"
    assert CallbackAttempt.objects.get().answer.startswith("fine")


def test_an_address_that_is_not_public_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_ended_run(receiver.url)
    monkeypatch.setenv("HTTP_ALLOW", "")
    deliver()
    assert receiver.messages == []
    assert log() == [(1, None, "http_refused")]


def test_a_sender_that_dies_leaves_an_attempt_without_an_end_and_another_takes_over(
    receiver: Receiver,
) -> None:
    an_ended_run(receiver.url)
    tell_ends()
    lost = take_callback()
    assert lost
    assert take_callback() is None, "its lease holds"
    assert seconds_until_due() > conf().callback_timeout_seconds + 30
    make_due()
    assert deliver() == 1
    assert CallbackAttempt.objects.get(number=1).ended_at is None
    assert not note_answer(lost, send_callback(lost)), "it is not its own any more"
    assert (the_callback().state, the_callback().attempts) == ("delivered", 2)


def test_a_crash_between_end_and_callback_loses_nothing(receiver: Receiver) -> None:
    run = an_ended_run(receiver.url)
    assert not Callback.objects.exists(), "nothing but the run row says so yet"
    run.refresh_from_db()
    assert run.ended_at
    assert deliver() == 1
