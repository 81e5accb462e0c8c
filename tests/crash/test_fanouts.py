"""Workers are killed while a run fans out: every child stands once, does its work once, and the parent hears of them all."""

import time
from collections import Counter

import pytest

from runs.models import Fanout, Run
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import chance, form
from tests.runs import a_run, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_CHILDREN = form(short=200, long=1000)
KILL_SECONDS = form(short=8.0, long=60.0)
CONCURRENCY = 12


def test_a_fanout_survives_workers_killed_again_and_again() -> None:
    ledger.create()
    inputs = [{"run": f"child-{n}", "n": 1, "seconds": 0.1} for n in range(N_CHILDREN)]
    parent = a_run(
        "test-starts",
        {"how": "map", "agent": "test-effects", "inputs": inputs, "more": {"concurrency": CONCURRENCY}},
    )
    victims, peak = chance("fanouts"), 0
    with Cluster(workers=2, slots=4) as cluster:
        cluster.wait_until(lambda: Run.objects.filter(parent=parent, is_in_line=False).exists(), seconds=120)
        until = time.monotonic() + KILL_SECONDS
        while time.monotonic() < until or peak == 0:
            time.sleep(2.0)
            peak = max(peak, Run.objects.filter(parent=parent, is_in_line=False, ended_at=None).count())
            cluster.kill(victims.randrange(2), with_beater=victims.random() < 0.3)
        cluster.wait_until(lambda: Run.objects.filter(pk=parent.pk, ended_at=None).count() == 0, seconds=120)
    parent.refresh_from_db()
    assert parent.status == "succeeded"
    assert 0 < peak <= CONCURRENCY
    assert Counter(Run.objects.filter(parent=parent).values_list("status", flat=True)) == {
        "succeeded": N_CHILDREN
    }
    assert [entry["index"] for entry in output(parent)] == list(range(N_CHILDREN))
    assert Counter(dict(ledger.entries()).values()) == {1: N_CHILDREN}
    fanout = Fanout.objects.get()
    assert (fanout.n_succeeded, fanout.n_active, fanout.is_told) == (N_CHILDREN, 0, True)
