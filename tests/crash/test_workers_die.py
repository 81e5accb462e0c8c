"""Workers are killed and stopped under load: every run finishes, no step is missing, no effect happens twice."""

import os
import signal
import time
from uuid import UUID

import pytest

from runs.models import Run, Worker
from tests.crash.cluster import Cluster
from tests.crash.form import chance, form
from tests.crash.load import N_RUNS, assert_all_went_well, n_begun, n_open, start_runs
from tests.crash.processes import beaters_of, kill

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

KILL_SECONDS = form(short=8.0, long=120.0)
STOPPED_SECONDS = form(short=0.0, long=60.0)
BEAT_SECONDS = form(short=0.3, long=2.0)
POOLS = pytest.mark.parametrize("pool", ["threads", "prefork"])


def test_runs_survive_workers_killed_again_and_again() -> None:
    start_runs(N_RUNS, seconds=form(short=0.1, long=1.0))
    victims = chance("workers")
    with Cluster(workers=2, slots=4) as cluster:
        until = time.monotonic() + KILL_SECONDS
        while time.monotonic() < until:
            time.sleep(2.5)
            cluster.kill(victims.randrange(2), with_beater=victims.random() < 0.3)
        cluster.wait_until(lambda: n_open() == 0, seconds=form(short=60.0, long=300.0))
    assert_all_went_well(N_RUNS)


def test_a_child_of_a_pool_of_processes_may_die_like_any_worker() -> None:
    n_runs = form(short=12, long=48)
    start_runs(n_runs, seconds=0.2)
    victims = chance("children")
    with Cluster(workers=1, slots=2, pool="prefork", level="INFO") as cluster:
        wait_until_ready(cluster)
        for n in range(form(short=2, long=12)):
            pid = victims.choice(at_work(cluster))
            assert len(beaters_of(pid)) == 1
            kill(pid)
            wait_for_deaths(cluster, n + 1)
        cluster.wait_until(lambda: n_open() == 0, seconds=90)
        assert cluster.workers[0].poll() is None, "the parent lives on"
    assert_all_went_well(n_runs)


@POOLS
def test_control_without_a_requeue_the_runs_of_a_killed_process_never_go_on(pool: str) -> None:
    n_slots = 4 if pool == "threads" else 1
    start_runs(8, seconds=0.2)
    with Cluster(
        workers=1, slots=4, pool=pool, level="INFO", without="requeue", beat_seconds=BEAT_SECONDS
    ) as cluster:
        wait_until_ready(cluster)
        pid = at_work(cluster)[0]
        if pool == "threads":
            cluster.kill(0)
        else:
            kill(pid)
        wait_for_deaths(cluster, 1)
        cluster.wait_until(lambda: Run.objects.filter(status="succeeded").count() == 8 - n_slots, seconds=120)
        time.sleep(5 * BEAT_SECONDS)
        assert n_open() == n_slots


def wait_until_ready(cluster: Cluster) -> None:
    """Wait until every slot executes and Celery's parent is content: a child that dies before is a failed start."""
    cluster.wait_until(lambda: " ready." in cluster.output(), seconds=120)
    cluster.wait_until(lambda: n_begun() >= cluster.slots, seconds=120)


def at_work(cluster: Cluster) -> list[int]:
    """Return the processes that execute a run just now, as soon as there are any."""

    def found() -> list[int]:
        leased = Run.objects.filter(status="running").values("worker_id")
        return list(
            Worker.objects.filter(id__in=leased, dead_at=None).order_by("id").values_list("pid", flat=True)
        )

    cluster.wait_until(lambda: bool(found()), seconds=120)
    return found()


def wait_for_deaths(cluster: Cluster, n: int) -> None:
    died = Worker.objects.filter(dead_reason__startswith="its process")
    cluster.wait_until(lambda: died.count() >= n, seconds=120)


def stop_one_until_its_runs_are_done(without: str = "") -> None:
    """SIGSTOP one of two workers until others have finished its runs, then let it go on with what it held."""
    with Cluster(workers=2, slots=4, without=without, beat_seconds=BEAT_SECONDS) as cluster:
        cluster.wait_until(lambda: n_begun() >= 6, seconds=90)
        os.kill(cluster.workers[0].pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        assert Run.objects.filter(status="running", worker_id__in=stopped_worker(cluster)).exists()
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
        time.sleep(max(0.0, stopped_at + STOPPED_SECONDS - time.monotonic()))
        os.kill(cluster.workers[0].pid, signal.SIGCONT)
        time.sleep(3.0)


def stopped_worker(cluster: Cluster) -> list[UUID]:
    return list(Worker.objects.filter(pid=cluster.workers[0].pid).values_list("id", flat=True))


def test_a_stopped_worker_that_continues_finds_its_epoch_stale() -> None:
    start_runs(N_RUNS)
    stop_one_until_its_runs_are_done()
    assert_all_went_well(N_RUNS)


def test_control_without_the_fence_the_stopped_worker_does_harm() -> None:
    start_runs(N_RUNS)
    stop_one_until_its_runs_are_done(without="fence")
    with pytest.raises(AssertionError):
        assert_all_went_well(N_RUNS)
