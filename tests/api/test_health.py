"""What load balancers and people ask."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from agentops.common.ids import new_id
from runs import chores
from runs.models import ClockBeat, Worker
from runs.services.tick import Clock
from tests.runs import a_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def _all_is_well() -> None:
    a_worker()
    ClockBeat.objects.create(id=new_id(), host="test", pid=1)


def ready() -> tuple[int, list[str]]:
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()["late"]


@pytest.mark.usefixtures("_all_is_well")
def test_ready_when_all_is_well() -> None:
    assert ready() == (200, [])


def test_not_ready_without_worker_and_clock() -> None:
    status, late = ready()
    assert status == 503
    assert len(late) == 2
    assert "no worker" in late[0]
    assert "no clock" in late[1]


@pytest.mark.usefixtures("_all_is_well")
def test_a_silent_worker_and_a_late_clock_are_named() -> None:
    Worker.objects.update(beat_at=Now() - timedelta(seconds=11))
    ClockBeat.objects.update(beat_at=Now() - timedelta(seconds=42))
    status, late = ready()
    assert status == 503
    assert "no worker" in late[0]
    assert "42 s ago" in late[1]


@pytest.mark.usefixtures("_all_is_well")
def test_a_dead_worker_does_not_count() -> None:
    Worker.objects.update(dead_at=Now())
    assert ready()[0] == 503


@pytest.mark.usefixtures("_all_is_well")
def test_a_broker_that_is_gone_is_named(settings: pytest.FixtureRequest) -> None:
    settings.CELERY_BROKER_URL = "redis+socket:///nonexistent/gone.sock"  # type: ignore[attr-defined]
    status, late = ready()
    assert status == 503
    assert "broker" in late[0]


def test_healthz_says_that_the_process_lives() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
def test_a_job_of_the_clock_that_fails_is_named_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, errors = [], [LookupError("no such thing")]

    def fails_once() -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(
        chores, "_chores", {"count sheep": (fails_once, 1), "feed": (lambda: done.append(1), 1)}
    )
    a_worker()
    clock = Clock()
    clock.tick()
    assert ready() == (503, ["the clock's job 'count sheep' fails (LookupError: no such thing), the others go on: its log has the details"])  # fmt: skip
    assert done == [1]
    clock.tick()
    assert ready() == (200, [])
