"""What works beside the workers is killed: their beaters, and the clocks."""

import time
from itertools import count
from typing import Any

import pytest

from runs.models import ClockBeat, Run, Worker
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import assert_all_went_well, n_open, start_runs
from tests.crash.processes import beaters_of, kill
from tests.runs import a_run, a_team

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_RUNS = 8
# A worker looks at its beater only by the way when it claims; here all are at work for longer than a lease.
SLOW_SECONDS = form(short=0.5, long=3.0)
CONF: dict[str, Any] = {"beat_seconds": form(short=0.6, long=2.0), "slice_seconds": 1000.0}
N_SLEEPERS = form(short=6, long=60)


def kill_the_beaters(cluster: Cluster) -> None:
    cluster.wait_until(lambda: Run.objects.filter(status="running").count() == N_RUNS, seconds=120)
    kill(*(pid for worker in cluster.workers for pid in beaters_of(worker.pid)))


def test_a_worker_whose_beater_is_killed_gets_another_and_keeps_its_runs() -> None:
    start_runs(N_RUNS, seconds=SLOW_SECONDS)
    with Cluster(workers=2, slots=4, **CONF) as cluster:
        kill_the_beaters(cluster)
        cluster.wait_until(lambda: n_open() == 0, seconds=90)
        assert [len(beaters_of(worker.pid)) for worker in cluster.workers] == [1, 1]
        assert Worker.objects.filter(dead_at=None).count() == Worker.objects.count() == 2
    assert set(Run.objects.values_list("epoch", flat=True)) == {1}
    assert_all_went_well(N_RUNS)


def test_control_a_worker_that_does_not_look_after_its_beater_loses_its_runs_with_it() -> None:
    start_runs(N_RUNS, seconds=SLOW_SECONDS)
    with Cluster(workers=2, slots=4, without="care", **CONF) as cluster:
        kill_the_beaters(cluster)
        cluster.wait_until(
            lambda: Worker.objects.filter(dead_reason="missed its beats").exists(), seconds=120
        )


def test_sleepers_wake_once_with_two_clocks_with_one_that_is_left_and_when_one_comes_back() -> None:
    ledger.create()
    with Cluster(workers=1, slots=4) as cluster:
        wait_for_two_clocks(cluster)
        start_sleepers("two clocks")
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
        start_sleepers("one clock")
        cluster.clocks[0].kill()
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
        cluster.clocks[1].kill()
        start_sleepers("no clock")
        cluster.wait_until(lambda: Run.objects.filter(status="sleeping").count() == N_SLEEPERS, seconds=120)
        time.sleep(3.0)
        assert Run.objects.filter(status="sleeping").count() == N_SLEEPERS, "nobody else wakes them"
        cluster.another_clock()
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert claims_by_status() == {("succeeded", 3)}
    assert ledger.n_asked() == len(ledger.entries()) == 3 * N_SLEEPERS


def test_control_clocks_that_look_first_and_wake_then_wake_the_same_sleeper_twice() -> None:
    ledger.create()
    rounds = count()

    def is_one_woken_twice() -> bool:
        if n_open() == 0:  # whether the clocks meet is chance
            start_sleepers(f"round {next(rounds)}", n=20)
        return Run.objects.filter(claims__gt=3).exists()

    with Cluster(workers=1, slots=4, without="one_statement") as cluster:
        wait_for_two_clocks(cluster)
        cluster.wait_until(is_one_woken_twice, seconds=120)


def wait_for_two_clocks(cluster: Cluster) -> None:
    cluster.another_clock()
    cluster.wait_until(lambda: ClockBeat.objects.count() == 2, seconds=90)


def start_sleepers(name: str, n: int = N_SLEEPERS) -> None:
    for i in range(n):
        a_run("test-naps", {"run": f"{name}-{i}", "seconds": 1.5}, team=a_team())


def claims_by_status() -> set[tuple[str, int]]:
    return set(Run.objects.values_list("status", "claims"))
