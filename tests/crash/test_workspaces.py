"""Workers are killed in the middle of their work on files: what stands afterwards is what a checkpoint holds."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runs.checkpoints.verify import verify_run
from runs.models import Run
from runs.workspace import folders
from tests import ledger
from tests.crash.cluster import Cluster, database_url
from tests.filing import kept, left_on_disk
from tests.runs import a_run, make_due, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_FILES, SIZE = 1500, 2000
FIRST = [["write", "a.txt", "one"], ["many", N_FILES, SIZE]]
# The run comes back when it is woken, with the files of the first checkpoint, changes two, and keeps them.
THEN = [["sleep", 3600], ["append", "a.txt", " two"], ["write", "b.txt", "x"]]
LAST = [["append", "a.txt", " three"]]
EXPECTED = {f"{n:04}.txt": f"{n:04}" * (SIZE // 4) for n in range(N_FILES)}


def a_filing_run() -> Run:
    ledger.create()
    return a_run("test-filing", {"nodes": [FIRST, THEN, LAST]})


@contextmanager
def holding(sql: str, *params: Any) -> Iterator[None]:
    """Hold what the statement locks, so that another process stands still in the middle of its work."""
    with psycopg.connect(database_url()) as connection:
        connection.execute(sql, params)
        yield
        connection.rollback()


def stands_waiting(words: str) -> bool:
    """Return whether a process waits for a lock with a statement that has these words."""
    with psycopg.connect(database_url(), autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
            " AND datname = current_database() AND pid <> pg_backend_pid()", [f"%{words}%"]
        ).fetchone()  # fmt: skip
    return bool(found and found[0])


def has_slept(run: Run) -> bool:
    run.refresh_from_db()
    return run.status == "sleeping"


def is_over(run: Run) -> bool:
    run.refresh_from_db()
    return run.ended_at is not None


def drafts(run: Run) -> list[Path]:
    """Return the folders of the run that are not finished yet."""
    return [path for path, run_id, _ in folders.found() if run_id == run.pk and path.name.startswith(".")]


def in_the_middle_of_a_snapshot(cluster: Cluster, run: Run) -> None:
    """Kill the worker while it stores what the second node changed; contents cannot be stored meanwhile."""
    cluster.wait_until(lambda: has_slept(run), seconds=150)
    with holding("LOCK TABLE runs_blob IN EXCLUSIVE MODE"):
        make_due(run)
        cluster.wait_until(lambda: stands_waiting("runs_blob"), seconds=150)
        run.refresh_from_db()
        assert kept(run) == EXPECTED | {"a.txt": "one"}
        cluster.kill(0)


def in_the_middle_of_a_commit(cluster: Cluster, run: Run) -> None:
    """Kill the worker while its commit waits; nobody knows whether it will be made."""
    cluster.wait_until(lambda: has_slept(run), seconds=150)
    with holding("LOCK TABLE runs_checkpoint IN EXCLUSIVE MODE"):
        make_due(run)
        cluster.wait_until(lambda: stands_waiting("UPDATE runs_run SET"), seconds=150)
        cluster.kill(0)


def in_the_middle_of_a_restore(cluster: Cluster, run: Run) -> None:
    """Kill the worker as soon as it has written some of the files that it fetches."""
    cluster.wait_until(lambda: has_slept(run), seconds=150)
    make_due(run)
    until = time.monotonic() + 150
    while not any(list(draft.iterdir()) for draft in drafts(run)):
        assert time.monotonic() < until, cluster.output()
    os.kill(cluster.workers[0].pid, signal.SIGSTOP)
    [half] = drafts(run)
    assert 0 < len(list(half.iterdir())) < N_FILES + 1
    assert not [name for name in left_on_disk() if not name.startswith(".")]
    cluster.kill(0)


MOMENTS = {
    "snapshot": in_the_middle_of_a_snapshot,
    "commit": in_the_middle_of_a_commit,
    "restore": in_the_middle_of_a_restore,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_in_the_middle_leaves_nothing_half(moment: str) -> None:
    run = a_filing_run()
    with Cluster(workers=1, slots=1) as cluster:
        MOMENTS[moment](cluster, run)
        cluster.wait_until(lambda: is_over(run), seconds=150)
    assert run.status == "succeeded", run.error
    assert output(run) == EXPECTED | {"a.txt": "one two three", "b.txt": "x"}
    assert kept(run, 1) == EXPECTED | {"a.txt": "one"}
    assert verify_run(run).is_clean
