"""No end of a run goes untold, whoever dies between the end, the message and the answer to it."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from runs.journal.fence import execute
from runs.models import Callback, CallbackAttempt, Run
from tests.crash.cluster import Cluster
from tests.receiver import Receiver, a_receiver
from tests.runs import a_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.crash]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


def start(url: str) -> Run:
    run = a_run("test-steps", {"n": 2})
    Run.objects.filter(pk=run.pk).update(callback_url=url)
    return run


def has_ended(run: Run) -> bool:
    run.refresh_from_db()
    return run.ended_at is not None


def end_without_a_clock(cluster: Cluster, url: str) -> Run:
    """Let a run end while no clock runs, and kill its worker the moment that it has."""
    for clock in cluster.clocks:
        clock.kill()
        clock.wait()
    run = start(url)
    cluster.wait_until(lambda: has_ended(run), seconds=120)
    cluster.workers[0].kill()
    return run


def test_an_end_whose_worker_died_with_it_is_told_when_a_clock_comes_back(receiver: Receiver) -> None:
    with Cluster(workers=1) as cluster:
        end_without_a_clock(cluster, receiver.url)
        cluster.another_clock()
        cluster.wait_until(lambda: len(receiver.messages) == 1, seconds=120)
        cluster.wait_until(lambda: Callback.objects.filter(state="delivered").exists(), seconds=5)


def test_control_nobody_but_the_clock_tells_an_end(receiver: Receiver) -> None:
    with Cluster(workers=1) as cluster:
        end_without_a_clock(cluster, receiver.url)
        time.sleep(2)
        assert (receiver.messages, Callback.objects.count()) == ([], 0)


def test_a_message_whose_sender_is_killed_is_sent_again_under_its_id(receiver: Receiver) -> None:
    receiver.hold = lambda: time.sleep(3 if len(receiver.messages) == 1 else 0)
    with Cluster(workers=1) as cluster:
        start(receiver.url)
        cluster.wait_until(lambda: len(receiver.messages) == 1, seconds=120)
        cluster.clocks[0].kill()
        cluster.clocks[0].wait()
        assert Callback.objects.get().state == "sending"
        execute("UPDATE runs_callback SET due_at = clock_timestamp()", {})
        cluster.another_clock()
        cluster.wait_until(lambda: Callback.objects.filter(state="delivered").exists(), seconds=120)
    assert len({(message.headers["webhook-id"], message.body) for message in receiver.messages}) == 1
    ends = CallbackAttempt.objects.order_by("number").values_list("http_status", flat=True)
    assert list(ends) == [None, 204]


def test_two_clocks_of_which_one_is_killed_tell_every_end(receiver: Receiver) -> None:
    n = 40
    receiver.hold = lambda: time.sleep(0.05)
    with Cluster(workers=1) as cluster:
        cluster.another_clock()
        for _ in range(n):
            start(receiver.url)
        cluster.wait_until(lambda: len(receiver.messages) >= 10, seconds=90)
        cluster.clocks[0].kill()
        cluster.wait_until(lambda: Callback.objects.filter(state="delivered").count() >= n - 2, seconds=90)
        execute("UPDATE runs_callback SET due_at = clock_timestamp() WHERE state = 'sending'", {})
        cluster.wait_until(lambda: Callback.objects.filter(state="delivered").count() == n, seconds=90)
    heard = Counter(message.headers["webhook-id"] for message in receiver.messages)
    assert len(heard) == n
    assert heard.total() <= n + 2, "what was under way at the kill came twice, and nothing else"
