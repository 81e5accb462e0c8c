"""Processes stand still for several leases and go on: a beater, a clock, a whole host.

tests/crash/test_workers_die.py has the worker itself.
"""

import time
from typing import Any

import pytest

from agentops.common.ids import new_id
from runs.models import ClockBeat, Run, Worker
from runs.services import sweep
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import assert_all_went_well, n_begun, n_open, start_runs
from tests.crash.processes import beaters_of, standing_still
from tests.runs import a_worker

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

BEAT_SECONDS = form(short=0.4, long=2.0)
STILL_SECONDS = form(short=5.0, long=60.0)  # several leases of five beats
N_RUNS = 8
CONF: dict[str, Any] = {"beat_seconds": BEAT_SECONDS, "slice_seconds": 1000.0}


def missed_beats() -> int:
    return Worker.objects.filter(dead_reason="missed its beats").count()


def test_a_worker_whose_beater_stands_still_goes_on_under_a_fresh_name() -> None:
    start_runs(N_RUNS, seconds=form(short=0.4, long=5.0))
    with Cluster(workers=1, slots=8, **CONF) as cluster:
        cluster.wait_until(lambda: n_begun() == N_RUNS, seconds=120)
        [worker] = cluster.workers
        began = time.monotonic()
        with standing_still(*beaters_of(worker.pid)):
            cluster.wait_until(lambda: missed_beats() == 1, seconds=90)
            cluster.wait_until(lambda: n_open() == 0, seconds=120)
            time.sleep(max(0.0, began + STILL_SECONDS - time.monotonic()))
            assert len(beaters_of(worker.pid)) == 1
        assert Worker.objects.filter(dead_at=None).count() == 1
    assert_all_went_well(N_RUNS)


def test_control_a_worker_that_does_not_look_after_itself_works_no_more_after_its_beater_stood_still() -> (
    None
):
    start_runs(N_RUNS, seconds=form(short=0.4, long=5.0))
    with Cluster(workers=1, slots=8, without="care", **CONF) as cluster:
        cluster.wait_until(lambda: n_begun() == N_RUNS, seconds=120)
        with standing_still(*beaters_of(cluster.workers[0].pid)):
            cluster.wait_until(lambda: missed_beats() == 1, seconds=90)
            time.sleep(10 * BEAT_SECONDS)
            assert Run.objects.filter(status="queued").count() == N_RUNS


def stand_still(cluster: Cluster) -> None:
    """Let the clock and all beaters stand still, as when their host does; the clock is back first."""
    cluster.wait_until(lambda: n_begun() == N_RUNS, seconds=120)
    beaters = [pid for worker in cluster.workers for pid in beaters_of(worker.pid)]
    with standing_still(cluster.clocks[0].pid, *beaters):
        time.sleep(STILL_SECONDS)


def test_after_a_standstill_no_worker_is_judged_for_it() -> None:
    start_runs(N_RUNS, seconds=0.6)
    with Cluster(workers=2, slots=4, **CONF) as cluster:
        stand_still(cluster)
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
        assert Worker.objects.filter(dead_at=None).count() == Worker.objects.count() == 2
    assert set(Run.objects.values_list("epoch", flat=True)) == {1}
    assert_all_went_well(N_RUNS)


def test_control_without_the_period_of_grace_every_worker_is_taken_for_dead() -> None:
    start_runs(N_RUNS, seconds=0.6)
    with Cluster(workers=2, slots=4, without="grace", **CONF) as cluster:
        stand_still(cluster)
        assert missed_beats() == 2


def test_a_clock_that_stood_still_between_its_look_and_its_judgement_judges_nobody() -> None:
    silent, clock_id = a_worker(), new_id()
    Worker.objects.filter(pk=silent).update(beat_at="2020-01-01T00:00:00Z")
    ClockBeat.objects.create(id=clock_id, host="here", pid=1)
    ClockBeat.objects.filter(pk=clock_id).update(beat_at="2020-01-01T00:00:00Z")
    assert sweep.bury_silent(clock_id) == 0
    ClockBeat.objects.filter(pk=clock_id).delete()
    ClockBeat.objects.create(id=clock_id, host="here", pid=1)
    assert sweep.bury_silent(clock_id) == 1
