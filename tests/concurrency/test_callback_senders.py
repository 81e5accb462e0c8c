"""Several senders of callbacks at once: each attempt is one sender's, and slow receivers are nobody else's trouble."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from runs.journal.fence import execute, query
from runs.models import Callback, CallbackAttempt, Run
from runs.services.callback_sender import CallbackSender
from runs.services.request_pool import MAX_PER_HOST
from runs.services.send_callback import note_answer, send_callback, take_callback
from runs.services.tell_ends import tell_ends
from tests.races import at_once
from tests.receiver import Receiver, a_receiver
from tests.runs import a_run

pytestmark = pytest.mark.django_db(transaction=True)

N = 40


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


def end_runs(url: str, n: int) -> None:
    for _ in range(n):
        run = a_run("test-steps", {"n": 1})
        Run.objects.filter(pk=run.pk).update(callback_url=url)
    execute("UPDATE runs_run SET status = 'cancelled', ended_at = clock_timestamp()", {})


def ids_of(receiver: Receiver) -> Counter[str]:
    return Counter(message.headers["webhook-id"] for message in receiver.messages)


def take_all() -> list[UUID]:
    taken = []
    while one := take_callback():
        note_answer(one, send_callback(one))
        taken.append(one.id)
    return taken


def take_without_a_lease() -> list[UUID]:
    """Send what is due without making it one's own first: the protection taken out."""
    due = query("SELECT id FROM runs_callback WHERE state = 'due' ORDER BY due_at", {})
    time.sleep(0.05)
    for (callback_id,) in due:
        execute("UPDATE runs_callback SET state = 'delivered' WHERE id = %(id)s", {"id": callback_id})
    return [callback_id for (callback_id,) in due]


def test_ends_looked_for_at_once_are_told_once_each(receiver: Receiver) -> None:
    end_runs(receiver.url, N)
    at_once(tell_ends)
    assert Callback.objects.count() == N


def test_senders_at_once_send_each_attempt_once(receiver: Receiver) -> None:
    end_runs(receiver.url, N)
    tell_ends()
    taken = [callback_id for found in at_once(take_all) for callback_id in found]
    assert sorted(taken) == sorted(Callback.objects.values_list("id", flat=True))
    assert set(ids_of(receiver).values()) == {1}
    assert CallbackAttempt.objects.count() == N


def test_control_without_the_lease_senders_send_the_same() -> None:
    end_runs("http://192.0.2.1/", N)
    tell_ends()
    taken = [callback_id for found in at_once(take_without_a_lease) for callback_id in found]
    assert len(taken) > N


def wait_until(is_true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


def test_a_receiver_that_hangs_holds_up_no_other(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.AGENTOPS = {"callback_timeout_seconds": 60.0}
    released = threading.Event()
    with a_receiver(monkeypatch, hold=lambda: released.wait(60)) as hanging:
        places = [one.url.split("/")[2] for one in (receiver, hanging)]
        monkeypatch.setenv("HTTP_ALLOW", ",".join(places))
        end_runs(hanging.url, 30)
        end_runs(receiver.url, 30)
        with CallbackSender():
            wait_until(lambda: len(receiver.messages) == 30, seconds=50)
            wait_until(lambda: len(hanging.messages) == MAX_PER_HOST)
            released.set()
    connection.close()


def test_what_is_under_way_when_the_clock_stops_is_noted(receiver: Receiver) -> None:
    receiver.hold = lambda: time.sleep(0.3)
    end_runs(receiver.url, 1)
    with CallbackSender():
        wait_until(lambda: bool(receiver.messages))
    assert Callback.objects.get().state == "delivered"
