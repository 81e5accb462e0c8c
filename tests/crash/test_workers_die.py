"""Workers are killed and stopped under load: every run finishes, no step is missing, no effect happens twice."""

import os
import random
import signal
import time
from collections import Counter
from uuid import UUID

import pytest

from runs.checkpoints.store import rebuild
from runs.models import Attempt, Checkpoint, Run, Step, Worker
from tests import ledger
from tests.crash.cluster import Cluster
from tests.runs import a_run, a_team

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_RUNS = int(os.environ.get("CRASH_RUNS", "24"))
KILL_SECONDS = float(os.environ.get("CRASH_SECONDS", "8"))
N_STEPS = 12


def start_runs(n: int) -> list[Run]:
    ledger.create()
    team = a_team()
    return [
        a_run("test-effects", {"run": f"run-{i}", "n": N_STEPS, "seconds": 0.1}, team=team) for i in range(n)
    ]


def n_open() -> int:
    return Run.objects.filter(status__in=["queued", "running", "sleeping"]).count()


def assert_all_went_well(n: int) -> None:
    assert Counter(Run.objects.values_list("status", flat=True)) == {"succeeded": n}
    assert not Attempt.objects.exists(), "nothing failed, so a failed attempt is a stale worker's"
    assert Counter(dict(ledger.entries()).values()) == {1: n * N_STEPS}
    for run in Run.objects.all():
        state = rebuild(run).state
        assert (state["i"], list(state["log"])) == (N_STEPS, list(range(N_STEPS)))
        assert Checkpoint.objects.filter(run=run).count() == N_STEPS
        assert Step.objects.filter(run=run, kind="node", status="succeeded").count() == N_STEPS


def test_runs_survive_workers_killed_again_and_again() -> None:
    start_runs(N_RUNS)
    chance = random.Random(7)
    with Cluster(workers=2, slots=4) as cluster:
        until = time.monotonic() + KILL_SECONDS
        while time.monotonic() < until:
            time.sleep(2.5)
            cluster.kill(chance.randrange(2))
        cluster.wait_until(lambda: n_open() == 0, seconds=60)
    assert_all_went_well(N_RUNS)


def stop_one_until_its_runs_are_done(module: str) -> None:
    """SIGSTOP one of two workers until others have finished its runs, then let it go on with what it held."""
    with Cluster(workers=2, slots=4, module=module, beat_seconds=0.3) as cluster:
        cluster.wait_until(lambda: Run.objects.filter(n_steps__gt=0).count() >= 6, seconds=30)
        os.kill(cluster.workers[0].pid, signal.SIGSTOP)
        assert Run.objects.filter(status="running", worker_id__in=stopped_worker(cluster)).exists()
        cluster.wait_until(lambda: n_open() == 0, seconds=60)
        os.kill(cluster.workers[0].pid, signal.SIGCONT)
        time.sleep(3.0)


def stopped_worker(cluster: Cluster) -> list[UUID]:
    return list(Worker.objects.filter(pid=cluster.workers[0].pid).values_list("id", flat=True))


def test_a_stopped_worker_that_continues_finds_its_epoch_stale() -> None:
    start_runs(N_RUNS)
    stop_one_until_its_runs_are_done("tests.crash.settings")
    assert_all_went_well(N_RUNS)


def test_control_without_the_fence_the_stopped_worker_does_harm() -> None:
    start_runs(N_RUNS)
    stop_one_until_its_runs_are_done("tests.crash.unfenced")
    with pytest.raises(AssertionError):
        assert_all_went_well(N_RUNS)
