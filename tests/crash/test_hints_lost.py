"""Tickets are hints: without Redis, with one that has forgotten everything, and with a hundred of each nothing changes.

The rest of what a start does without a broker stands in tests/api/test_start_run.py.
"""

import time
from collections.abc import Iterator

import pytest
import redis
from celery import current_app  # noqa: TID251 -- the test repeats what the product's one home of it sends
from pytest_django import Settings

from agentops.accounts.roles import Actor, Scope
from runs import dispatch
from runs.models import Run, Worker
from runs.services.start_run import start_run
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import N_STEPS, assert_all_went_well, n_open, start_runs
from tests.crash.servers import OwnRedis
from tests.runs import a_team

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_RUNS = form(short=12, long=48)
START_SECONDS = 2.0  # what a start may take without Redis on a busy machine; a quiet one needs milliseconds


@pytest.fixture
def broker(settings: Settings) -> Iterator[OwnRedis]:
    with OwnRedis() as started:
        settings.REDIS_URL = started.url
        dispatch._redis.cache_clear()
        yield started
    dispatch._redis.cache_clear()


def start_by_service(n: int) -> float:
    """Start runs as the API does; returns how long the slowest start took."""
    actor, slowest = Actor(a_team().pk, None, "Ada", frozenset(Scope)), 0.0
    for i in range(n):
        began = time.monotonic()
        start_run(actor=actor, agent="test-effects", input={"run": f"run-{i}", "n": N_STEPS, "seconds": 0.05})
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def test_runs_start_and_finish_without_redis(broker: OwnRedis) -> None:
    ledger.create()
    a_team()
    broker.kill()
    with Cluster(workers=2, slots=4) as cluster:
        assert start_by_service(N_RUNS) < START_SECONDS
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert_all_went_well(N_RUNS)


def test_a_redis_that_dies_forgets_and_comes_back_costs_no_run(broker: OwnRedis) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4) as cluster:
        cluster.wait_until(lambda: Run.objects.filter(n_steps__gt=0).count() >= 4, seconds=120)
        broker.kill()
        time.sleep(1.0)
        broker.start_empty()
        cluster.wait_until(lambda: Run.objects.filter(status="succeeded").count() >= N_RUNS // 2, seconds=120)
        redis.Redis.from_url(broker.url).flushall()
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert_all_went_well(N_RUNS)


def test_a_redis_that_dies_in_the_middle_and_stays_away_costs_no_run(broker: OwnRedis) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4) as cluster:
        cluster.wait_until(lambda: Run.objects.filter(n_steps__gt=0).count() >= 4, seconds=120)
        broker.kill()
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert_all_went_well(N_RUNS)


def test_control_without_looks_at_the_database_nothing_runs_once_the_tickets_are_lost(
    broker: OwnRedis,
) -> None:
    start_runs(N_RUNS)
    broker.kill()
    with Cluster(workers=2, slots=4, without="poll") as cluster:
        cluster.wait_until(lambda: Worker.objects.filter(dead_at=None).count() == 2, seconds=120)
        time.sleep(3.0)
        assert Run.objects.filter(status="queued", claims=0).count() == N_RUNS


def send_tickets(broker: OwnRedis, n: int) -> None:
    with current_app.connection_for_write(url=broker.broker_url) as connection:
        for _ in range(n):
            current_app.send_task(dispatch.TASK, args=["default"], queue="default", connection=connection)


def test_tickets_that_come_a_hundred_times_change_nothing(broker: OwnRedis) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4) as cluster:
        send_tickets(broker, 100)
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert set(Run.objects.values_list("claims", flat=True)) == {1}
    assert ledger.n_asked() == N_RUNS * N_STEPS
    assert_all_went_well(N_RUNS)


def test_control_claims_that_take_what_another_executes_run_it_several_times(broker: OwnRedis) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4, without="exclusion") as cluster:
        send_tickets(broker, 100)
        cluster.wait_until(lambda: Run.objects.filter(claims__gt=1).exists(), seconds=120)


def test_tickets_that_never_arrive_change_nothing(broker: OwnRedis) -> None:
    start_runs(N_RUNS)
    client = redis.Redis.from_url(broker.url)

    def are_lost_while_open() -> bool:
        client.delete("default")
        return n_open() == 0

    with Cluster(workers=2, slots=4) as cluster:
        cluster.wait_until(are_lost_while_open, seconds=120)
    assert_all_went_well(N_RUNS)
