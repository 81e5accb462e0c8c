"""A worker is killed while a model answers: what it had reserved counts as spent, and the run ends within its budget."""

import pytest

from runs.models import Purse, Reservation, Run
from tests.budgets import a_budget
from tests.crash.cluster import Cluster
from tests.rehearsal import provider, rehearsal_model
from tests.runs import a_run, a_team, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]


def is_over(run: Run) -> bool:
    run.refresh_from_db()
    return run.ended_at is not None


def test_what_a_killed_worker_had_reserved_is_spent_and_the_run_ends_elsewhere() -> None:
    with rehearsal_model(latency_ms=20_000) as server:
        provider(a_team().pk, server, timeout_seconds=30.0)
        run = a_run("test-one-question", {"question": "Hello?"})
        a_budget("run", run=run, cost_microusd=1_250_000)
        with Cluster(workers=1, slots=1) as cluster:
            cluster.wait_until(Reservation.objects.exists, seconds=150)
            held = Reservation.objects.get().amounts["cost_microusd"]
            cluster.kill(0)
            server.behave(latency_ms=0)
            cluster.wait_until(lambda: is_over(run), seconds=150)
    assert run.status == "succeeded", run.error
    assert not Reservation.objects.exists()
    purse = Purse.objects.get()
    assert purse.reserved["cost_microusd"] == 0
    assert purse.spent["cost_microusd"] == held + output(run)["usage"]["cost_microusd"]
