"""A run that kills its process is found out and set aside; its neighbours are never condemned for it."""

import re
import time

import pytest

from runs.models import Run, Worker
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import N_STEPS, assert_all_went_well, n_open, start_runs
from tests.runs import a_run

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_INNOCENT = form(short=8, long=20)
BEAT_SECONDS = form(short=0.5, long=2.0)
HELD_SECONDS = form(short=4.0, long=30.0)  # longer than a lease of five beats


def test_only_the_run_that_crashes_its_process_becomes_a_dead_letter() -> None:
    start_runs(N_INNOCENT)
    guilty = a_run("test-poison", {"how": "segfault"})
    with Cluster(workers=2, slots=4, is_supervised=True) as cluster:
        cluster.wait_until(lambda: n_open() == 0, seconds=200)
    guilty.refresh_from_db()
    assert (guilty.status, guilty.error["code"], guilty.lost_alone) == ("failed", "poison", 3)
    assert "node second of this run alone" in guilty.error["message"]
    Run.objects.filter(pk=guilty.pk).delete()
    assert_all_went_well(N_INNOCENT)


def test_control_where_every_loss_counts_the_innocent_are_condemned_with_the_guilty() -> None:
    innocent = [run.pk for run in start_runs(7, seconds=1.5)]
    guilty = a_run("test-poison", {"how": "segfault"})
    Run.objects.filter(pk=guilty.pk).update(priority=-1)  # so that the others are at work when it crashes
    with Cluster(workers=1, slots=8, is_supervised=True, without="blame") as cluster:
        cluster.wait_until(
            lambda: Run.objects.filter(pk__in=innocent, error__code="poison").exists(), seconds=90
        )


def test_a_step_that_holds_the_interpreter_past_its_time_out_is_ended_and_set_aside() -> None:
    start_runs(6)
    guilty = a_run("test-poison", {"how": "regex", "length": 60})
    with Cluster(
        workers=2, slots=4, is_supervised=True, beat_seconds=0.5, node_timeout_seconds=2.0, poison_losses=2
    ) as cluster:
        cluster.wait_until(lambda: n_open() == 0, seconds=200)
    guilty.refresh_from_db()
    assert (guilty.status, guilty.error["code"]) == ("failed", "poison")
    assert "past its time-out" in guilty.error["detail"]
    Run.objects.filter(pk=guilty.pk).delete()
    assert_all_went_well(6)


def test_control_a_worker_whose_beater_looks_at_no_time_out_is_held_for_ever() -> None:
    a_run("test-poison", {"how": "regex", "length": 60})
    with Cluster(workers=1, node_timeout_seconds=1.0, without="overdue") as cluster:
        cluster.wait_until(lambda: Run.objects.filter(node="second", status="running").exists(), seconds=120)
        time.sleep(6.0)
        assert cluster.workers[0].poll() is None


def length_that_holds(seconds: float) -> int:
    """Return the length of text at which the expression of test-poison takes at least `seconds`; each letter doubles."""
    length, taken = 18, 0.0
    while taken < 0.1:
        length += 1
        began = time.thread_time()
        re.match(r"^(a+)+$", "a" * length + "b")
        taken = time.thread_time() - began
    while taken < seconds:
        length, taken = length + 1, taken * 2
    return length


def test_a_step_that_holds_the_interpreter_within_its_time_out_harms_nobody() -> None:
    start_runs(6)
    slow = a_run("test-poison", {"how": "regex", "length": length_that_holds(HELD_SECONDS)})
    with Cluster(workers=1, slots=4, beat_seconds=BEAT_SECONDS) as cluster:
        began = time.monotonic()
        cluster.wait_until(lambda: n_open() == 0, seconds=180)
        assert time.monotonic() - began > 5 * BEAT_SECONDS, "the lease would have been lost without a beater"
    slow.refresh_from_db()
    assert (slow.status, slow.claims) == ("succeeded", 1)
    Run.objects.filter(pk=slow.pk).delete()
    assert_all_went_well(6)
    assert ledger.n_asked() == 6 * N_STEPS


def test_control_a_worker_that_beats_by_a_thread_loses_its_lease_meanwhile() -> None:
    a_run("test-poison", {"how": "regex", "length": length_that_holds(HELD_SECONDS)})
    with Cluster(workers=1, slots=4, beat_seconds=BEAT_SECONDS, without="sibling") as cluster:
        cluster.wait_until(
            lambda: Worker.objects.filter(dead_reason="missed its beats").exists(), seconds=120
        )
