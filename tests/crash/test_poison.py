"""A run that kills its process is found out and set aside; its neighbours are never condemned for it."""

import time

import pytest

from runs.models import Run
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.test_workers_die import assert_all_went_well, n_open, start_runs
from tests.runs import a_run

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_INNOCENT = 20


def test_only_the_run_that_crashes_its_process_becomes_a_dead_letter() -> None:
    start_runs(N_INNOCENT)
    guilty = a_run("test-poison", {"how": "segfault"})
    with Cluster(workers=2, slots=4, is_supervised=True) as cluster:
        cluster.wait_until(lambda: n_open() == 0, seconds=90)
    guilty.refresh_from_db()
    assert (guilty.status, guilty.error["code"], guilty.lost_alone) == ("failed", "poison", 3)
    assert "node second of this run alone" in guilty.error["message"]
    Run.objects.filter(pk=guilty.pk).delete()
    assert_all_went_well(N_INNOCENT)


def test_a_step_that_holds_the_interpreter_past_its_time_out_is_ended_and_set_aside() -> None:
    start_runs(6)
    guilty = a_run("test-poison", {"how": "regex", "length": 60})
    with Cluster(
        workers=2, slots=4, is_supervised=True, beat_seconds=0.5, node_timeout_seconds=2.0
    ) as cluster:
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    guilty.refresh_from_db()
    assert (guilty.status, guilty.error["code"]) == ("failed", "poison")
    assert "past its time-out" in guilty.error["detail"]
    Run.objects.filter(pk=guilty.pk).delete()
    assert_all_went_well(6)


def test_a_step_that_holds_the_interpreter_within_its_time_out_harms_nobody() -> None:
    start_runs(6)
    slow = a_run("test-poison", {"how": "regex", "length": 27})
    with Cluster(workers=1, slots=4, beat_seconds=0.3) as cluster:
        began = time.monotonic()
        cluster.wait_until(lambda: n_open() == 0, seconds=90)
        assert time.monotonic() - began > 5 * 0.3, "the lease would have been lost without a beater"
    slow.refresh_from_db()
    assert (slow.status, slow.claims) == ("succeeded", 1)
    Run.objects.filter(pk=slow.pk).delete()
    assert_all_went_well(6)
    assert ledger.n_asked() == 6 * 12
