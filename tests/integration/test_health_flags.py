"""When a health flag of a run stands, and when it goes."""

import pytest
from pytest_django import Settings

from runs.services.advance import advance
from runs.services.sweep import wake_due
from tests import ledger
from tests.runs import a_run, a_worker, claim, make_due

pytestmark = pytest.mark.django_db


def test_retrying_stands_while_another_attempt_is_due_and_no_longer(settings: Settings) -> None:
    settings.AGENTOPS = {"slice_steps": 1}
    ledger.create()
    run = a_run("test-calls", {"tool": "test.slow_retry", "args": {"seconds": 600}})
    worker_id = a_worker()
    advance(claim(worker_id))
    run.refresh_from_db()
    assert (run.status, run.health) == ("sleeping", ["retrying"])
    make_due(run)
    wake_due()
    run.refresh_from_db()
    assert (run.status, run.health) == ("queued", ["retrying"])
    claim(worker_id)
    run.refresh_from_db()
    assert (run.status, run.health) == ("running", [])
