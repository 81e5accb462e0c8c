"""PostgreSQL is stopped in the middle of the work and started again: nobody is fenced for it, nothing runs twice."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import Error, connection

from runs.journal import fence
from runs.models import Run, Worker
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import N_RUNS, assert_all_went_well, n_open, start_runs
from tests.crash.servers import OwnPostgres

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

AWAY_SECONDS = form(short=8.0, long=30.0)
# An outage of three leases; one slice a run, so that an epoch above 1 is a lease that was lost.
CONF: dict[str, Any] = {"beat_seconds": AWAY_SECONDS / 15, "slice_seconds": 1000.0}


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[OwnPostgres]:
    with OwnPostgres() as started:
        yield started


@pytest.fixture
def server(own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnPostgres]:
    """A PostgreSQL of the product's own; the ledger stays where it was."""
    ledger.create()
    monkeypatch.setenv("LEDGER_DSN", ledger.dsn())
    with own_postgres.used():
        yield own_postgres


def is_done() -> bool:
    try:
        return n_open() == 0
    except (Error, psycopg.Error):
        connection.close()
        return False


def stop_for_a_while(server: OwnPostgres, cluster: Cluster) -> None:
    cluster.wait_until(lambda: Run.objects.filter(n_steps__gt=6).count() >= 8, seconds=120)
    server.stop()
    time.sleep(AWAY_SECONDS)
    server.start()
    connection.close()


def test_a_statement_that_meets_a_stopped_server_finds_a_broken_connection(server: OwnPostgres) -> None:
    fence.execute("SELECT %(n)s", {"n": 1})
    held = connection.connection
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        fence.execute("SELECT %(n)s", {"n": 2})
    assert held.closed
    server.start()
    assert fence.persist(lambda: fence.execute("SELECT %(n)s", {"n": 3})) == (3,)


def test_an_outage_of_the_database_fences_nobody_and_repeats_nothing(server: OwnPostgres) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4, **CONF) as cluster:
        stop_for_a_while(server, cluster)
        cluster.wait_until(is_done, seconds=120)
        assert Worker.objects.filter(dead_at=None).count() == Worker.objects.count() == 2
        assert set(Run.objects.values_list("epoch", flat=True)) == {1}
    assert_all_went_well(N_RUNS)


def test_control_slices_that_do_not_wait_for_the_database_lose_their_runs(server: OwnPostgres) -> None:
    start_runs(N_RUNS)
    with Cluster(workers=2, slots=4, without="patience", **CONF) as cluster:
        stop_for_a_while(server, cluster)
        cluster.wait_until(lambda: Run.objects.filter(epoch__gt=1).exists(), seconds=120)
