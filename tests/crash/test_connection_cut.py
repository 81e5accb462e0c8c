"""The connection to PostgreSQL breaks at a commit: the run goes on, exactly once, whichever commit and however.

A proxy of ours breaks it before the statement arrives, in its middle, after the commit but before the answer, or so
that the server gets the statement only after the client has given up. The same again under load, with cuts by chance.
"""

import threading
import time

import psycopg
import pytest

from runs import claims
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.journal import fence
from runs.models import Attempt, Run, Step
from runs.services.advance import advance
from runs.services.sweep import wake_due
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import chance, form
from tests.crash.load import assert_all_went_well, n_open, start_runs
from tests.property.world import world
from tests.proxy import Cut, Proxy, Rule, nth
from tests.runs import a_run, a_worker, make_due, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

# A retry that is stored, a write, a write that a person may have to answer for, a wait, a sleep, a failed attempt.
PLAN = [
    {"ops": [{"kind": "read", "faults": ["busy"], "catch": False}, {"kind": "write", "faults": ["busy"], "catch": False}],
     "raises": 1, "raise_at": 2, "end": "sleep"},
    {"ops": [{"kind": "once", "faults": [], "catch": False}, {"kind": "log"}, {"kind": "sleep", "seconds": 3600}],
     "raises": 0, "raise_at": 0, "end": "goto"},
    {"ops": [], "raises": 0, "raise_at": 0, "end": "finish"},
]  # fmt: skip
HELD_SECONDS = 0.3
CUT_SHARE = 0.05


def commits(text: str) -> bool:
    return text.startswith("WITH r AS (") or "worker_id = NULL" in text


def drive(run: Run, seconds: float = 20.0) -> Run:
    """Advance the run to its end in the name of one worker."""
    worker_id = a_worker()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run.refresh_from_db()
        if run.ended_at is not None or run.status == "awaiting_approval":
            return run
        if run.status == "running":
            return run
        make_due(run)
        wake_due()
        for claimed in claims.claim(worker_id=worker_id, queue="default", limit=1):
            advance(claimed)
    return run


def assert_done_once(run: Run) -> None:
    assert (run.status, run.error, output(run)) == ("succeeded", None, {"at": 3})
    assert dict(world.applied) == {"0.1": 1, "1.0": 1}
    assert list(
        Attempt.objects.filter(run=run).order_by("seq", "number").values_list("error_code", flat=True)
    ) == ["RuntimeError", "busy", "busy"]
    assert not Step.objects.filter(run=run, status__in=["running", "unknown"]).exists()
    assert len(rebuild(run).state["results"]) == 3
    assert verify_run(run).is_clean


@pytest.fixture(autouse=True)
def _world() -> None:
    world.reset()


@pytest.mark.parametrize("cut", Cut)
def test_every_commit_of_a_run_survives_a_broken_connection(cut: Cut) -> None:
    n_cut = 0
    while True:
        world.reset()
        run = a_run("test-plans", {"plan": PLAN})
        rule = nth(n_cut, commits, cut)
        with Proxy(held(rule, run) if cut is Cut.UNDER_WAY else rule) as proxy, proxy.between():
            run = drive(run)
        assert_done_once(run)
        if not proxy.n_cut:
            break
        n_cut += 1
    assert n_cut == 14


def held(rule: Rule, run: Run) -> Rule:
    """Lock the run's row when the connection breaks, so that the server is at the statement for a while longer."""

    def locking(text: str) -> Cut | None:
        cut = rule(text)
        if cut is not None:
            holder = psycopg.connect(ledger.dsn())
            holder.execute("SELECT 1 FROM runs_run WHERE id = %s FOR UPDATE", [run.pk])
            threading.Timer(HELD_SECONDS, holder.close).start()
        return cut

    return locking


def test_control_without_the_read_back_a_lost_answer_is_taken_for_a_lost_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fence, "_found_after", lambda *_: None)
    harmed = []
    for n in range(14):
        world.reset()
        run = a_run("test-plans", {"plan": PLAN})
        with Proxy(nth(n, commits, Cut.UNANSWERED)) as proxy, proxy.between():
            harmed.append(drive(run, seconds=1.0).status != "succeeded")
    assert any(harmed)


def test_connections_that_break_by_chance_under_load_cost_no_run() -> None:
    n_runs = form(short=12, long=96)
    start_runs(n_runs, seconds=0.05)
    picks = chance("connections")

    def rule(text: str) -> Cut | None:
        return picks.choice(list(Cut)) if commits(text) and picks.random() < CUT_SHARE else None

    with Proxy(rule) as proxy, proxy.between(), Cluster(workers=2, slots=4) as cluster:
        cluster.wait_until(lambda: n_open() == 0, seconds=form(short=60.0, long=300.0))
    assert proxy.n_cut >= n_runs
    assert_all_went_well(n_runs)
