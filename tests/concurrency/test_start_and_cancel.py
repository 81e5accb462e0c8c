"""Starting and cancelling when several people or programs do it at the same moment."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import pytest

from agentops.common.errors import IdempotencyConflictError
from runs.models import Run
from runs.services.cancel_run import cancel_run
from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.races import at_once
from tests.runs import a_worker, claim

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_key_makes_one_run_however_many_send_it(world: World) -> None:
    ada = actor(world.ada)
    for round_ in range(8):
        key = f"key-{round_}"
        found = at_once(
            partial(start_run, actor=ada, agent="test-steps", input={"n": 1}, idempotency_key=key)
        )
        assert [is_new for _, is_new in found].count(True) == 1
        assert len({run.id for run, _ in found}) == 1
    assert Run.objects.count() == 8


def test_one_key_with_different_requests_makes_one_run_and_conflicts(world: World) -> None:
    ada, numbers = actor(world.ada), iter(range(1, 100))

    def start() -> Run | None:
        try:
            return start_run(actor=ada, agent="test-steps", input={"n": next(numbers)}, idempotency_key="k")[
                0
            ]
        except IdempotencyConflictError:
            return None

    found = at_once(start)
    assert found.count(None) == len(found) - 1
    assert Run.objects.count() == 1


def test_a_cancel_that_races_a_claim_always_takes(world: World) -> None:
    """Either the worker was first and is told to stop, or there is nothing to claim any more."""
    ada, worker = actor(world.ada), a_worker()
    for _ in range(10):
        run, _ = start_run(actor=ada, agent="test-steps", input={"n": 1})
        turns = iter([partial(cancel_run, actor=ada, run_id=run.id), partial(claim_if_any, worker)])
        at_once(take_turn, turns, times=2)
        run.refresh_from_db()
        assert (run.status, run.control) in {("cancelled", ""), ("running", "cancel")}
        Run.objects.filter(id=run.id).update(status="cancelled", worker_id=None)


def take_turn(turns: Iterator[Callable[[], object]]) -> None:
    next(turns)()


def claim_if_any(worker: UUID) -> None:
    try:
        claim(worker)
    except ValueError:
        return
