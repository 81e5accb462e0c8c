"""Eight children share one budget under sixteen threads: together they never spend more than it, by more than one call."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import UUID

import pytest
from django.db import connection

from agentops.common.transactions import transaction
from runs.engine.budgets import Way
from runs.journal import purses
from runs.models import Purse, Reservation, Run
from tests.budgets import a_budget
from tests.runs import a_run

pytestmark = pytest.mark.django_db(transaction=True)

SHARED_MICROUSD = 1_250_000
DEAREST_MICROUSD = 60_000
THREADS, CHILDREN = 16, 8


def spent_by_all(*, is_lost: bool = False) -> int:
    """What eight children of one run spend; with `is_lost` no call lives to settle what it had reserved."""
    top = a_run("test-starts", {})
    children = [a_run("test-one-question", {"question": "?"}) for _ in range(CHILDREN)]
    Run.objects.filter(pk__in=[child.pk for child in children]).update(parent=top, root_id=top.pk)
    a_budget("run", run=top, cost_microusd=SHARED_MICROUSD)
    seqs = count(1)

    def work(number: int) -> int:
        chance, spent = random.Random(number), 0
        run_id = children[number % CHILDREN].pk
        try:
            while True:
                cost, seq = chance.randint(1_000, DEAREST_MICROUSD), next(seqs)
                ids = purses.purse_ids(run_id)
                refused = purses.reserve_for(run_id, seq, ids, {"cost_microusd": DEAREST_MICROUSD})
                if refused is not None and (is_lost or refused.way is Way.STOP):
                    return spent
                if refused is not None:
                    time.sleep(0.002)
                    continue
                spent += cost
                if not is_lost:
                    pay(run_id, seq, cost)
        finally:
            connection.close()

    def pay(run_id: UUID, seq: int, cost: int) -> None:
        bill = purses.Bill(run_id, seq, {"cost_microusd": cost})
        with transaction():
            bill.lock()
            bill.pay()

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(THREADS)))


def the_purse() -> dict[str, int]:
    found = Purse.objects.get()
    return {"spent": found.spent["cost_microusd"], "reserved": found.reserved["cost_microusd"]}


def test_many_at_once_never_spend_more_than_there_is() -> None:
    spent = spent_by_all()
    assert SHARED_MICROUSD - DEAREST_MICROUSD < spent <= SHARED_MICROUSD
    assert the_purse() == {"spent": spent, "reserved": 0}


def test_without_the_lock_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purses, "_LOCK", purses._LOOK)
    spent = spent_by_all()
    assert spent > SHARED_MICROUSD + DEAREST_MICROUSD


def test_what_nobody_settles_counts_until_the_clock_has_settled_it_as_spent() -> None:
    spent_by_all(is_lost=True)
    lost = Reservation.objects.count()
    assert lost == SHARED_MICROUSD // DEAREST_MICROUSD
    while purses.settle_lost():
        pass
    assert the_purse() == {"spent": lost * DEAREST_MICROUSD, "reserved": 0}
