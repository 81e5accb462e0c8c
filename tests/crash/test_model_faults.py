"""All that providers do wrong, all at once, drawn by seeds: every run ends well or stops at its budget, and both count what was billed."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection

from agentops.demo.rehearsal.behaviour import FAULTS
from agentops.demo.rehearsal.server import RehearsalModel
from runs import claims
from runs.journal.fence import execute, query
from runs.llm.budget import Reserving
from runs.models import ModelGate, Purse, Reservation, Run
from runs.services.advance import advance
from runs.services.sweep import wake_due
from tests.budgets import a_budget
from tests.crash.form import IS_LONG, form
from tests.definitions import script
from tests.rehearsal import asked_in_vain, provider, rehearsal_model
from tests.runs import a_run, a_team, a_worker, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

SEEDS = range(form(short=2, long=50))
RUNS, THREADS = 8, 8
TIMEOUT_SECONDS = 0.4
FIRST = "rehearsal/rehearsal"
SHARE = 0.06
ENOUGH_MICROUSD = 10_000_000
SCARCE_MICROUSD = 18_000  # what is reserved for two requests is more: one lost answer ends it
TURNS = (
    {"calls": [{"tool": "talk_double", "args": {"number": 2}}, {"tool": "talk_double", "args": {"number": 3}}]},
    {"calls": [{"tool": "talk_long", "args": {"characters": 200}}]},
    {"finish": "done"},
)  # fmt: skip


@contextmanager
def workers() -> Iterator[None]:
    """Workers in threads, that claim what is queued and share the gates before the models."""
    is_over = threading.Event()

    def work() -> None:
        worker_id = a_worker()
        try:
            while not is_over.is_set():
                for claimed in claims.claim(worker_id=worker_id, queue="default", limit=1):
                    advance(claimed)
                time.sleep(0.01)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def finish(runs: Sequence[Run], *, seconds: float = 150.0) -> list[Run]:
    """Return the runs when all have ended or stand; where all sleep, time is moved on to the first of them."""
    ids, deadline = [run.pk for run in runs], time.monotonic() + seconds
    while True:
        found = list(Run.objects.filter(pk__in=ids).order_by("pk"))
        states = {run.status for run in found} - {"succeeded", "failed", "paused"}
        if not states:
            return found
        assert time.monotonic() < deadline, [(run.status, run.node, run.waiting_on) for run in found]
        if states == {"sleeping"}:
            pass_time()
        wake_due()
        time.sleep(0.02)


def pass_time(seconds: float | None = None) -> None:
    """Move every stored instant of runs and gates into the past: by `seconds`, else until the first sleeper is due; fewer than 0 holds time up."""
    if seconds is None:
        seconds = query(
            "SELECT extract(epoch FROM min(wake_at) - clock_timestamp())::float8 FROM runs_run", {}
        )[0][0]
    given = {"seconds": (seconds or 0.0) + 0.001}
    back = "make_interval(secs => %(seconds)s)"
    execute(f"UPDATE runs_run SET wake_at = wake_at - {back} WHERE wake_at IS NOT NULL", given)
    execute(
        f"UPDATE runs_step SET due_at = due_at - {back} WHERE status = 'running' AND due_at IS NOT NULL",
        given,
    )
    execute(
        "UPDATE runs_modelgate SET state = state || (SELECT jsonb_object_agg(key, greatest(value::float8 - %(seconds)s, 0))"
        " FROM jsonb_each_text(state) WHERE key IN ('at', 'blocked_until', 'failed_at', 'open_until', 'probe_until'))"
        " WHERE state <> '{}'",
        given,
    )  # fmt: skip


def talks(n: int) -> list[Run]:
    return [a_run("test-talker", {"task": script(*TURNS)}) for _ in range(n)]


def spent(runs: Sequence[Run], unit: str) -> int:
    return sum(Purse.objects.get(budget__run=run).spent.get(unit, 0) for run in runs)


@contextmanager
def providers(
    *, patience_seconds: float = TIMEOUT_SECONDS, **first: Any
) -> Iterator[tuple[RehearsalModel, ...]]:
    """A provider that behaves as `first` says, and the one that stands in for it, which has `patience_seconds`."""
    with ExitStack() as stack:
        servers = tuple(stack.enter_context(rehearsal_model(**one)) for one in (first, {}))
        provider(a_team().pk, servers[0], timeout_seconds=TIMEOUT_SECONDS)
        provider(a_team().pk, servers[1], "backup", timeout_seconds=patience_seconds)
        stack.enter_context(workers())
        yield servers


def misbehave(servers: Sequence[RehearsalModel], seed: int) -> None:
    faults = {kind: SHARE for kind in FAULTS if kind != "401"}
    for n, server in enumerate(servers):
        server.behave(
            latency_ms=0, jitter_ms=20, faults=faults, seed=2 * seed + n, hang_seconds=1.0, retry_after_seconds=0.05
        )  # fmt: skip


def billed(servers: Sequence[RehearsalModel]) -> int:
    return sum(server.meter.tokens_billed for server in servers)


def under_budgets() -> list[Run]:
    """Runs of which every second one has little to spend."""
    runs = talks(RUNS)
    for n, run in enumerate(runs):
        a_budget("run", run=run, cost_microusd=SCARCE_MICROUSD if n % 2 else ENOUGH_MICROUSD)
    return runs


def test_every_run_ends_well_or_stops_at_its_budget_whatever_providers_do() -> None:
    stopped = 0
    with providers() as servers:
        for seed in SEEDS:
            misbehave(servers, seed)
            before, runs = billed(servers), finish(under_budgets())
            for run in runs:
                purse = Purse.objects.get(budget__run=run)
                assert purse.spent["cost_microusd"] <= purse.budget.limits["cost_microusd"]["hard"], seed
                assert purse.reserved["cost_microusd"] == purse.reserved["tokens"] == 0, seed
                is_scarce = purse.budget.limits["cost_microusd"]["hard"] == SCARCE_MICROUSD
                stopped += check_end(run, seed, may_stop=is_scarce)
            assert spent(runs, "tokens") >= billed(servers) - before, (
                f"seed {seed}: less was counted than billed"
            )
    assert not Reservation.objects.exists()
    assert stopped or not IS_LONG, "some had too little, or this proves nothing of budgets"


def check_end(run: Run, seed: int, *, may_stop: bool) -> bool:
    """Return whether the run stopped at its budget, which it must be allowed to; otherwise it has ended well."""
    if may_stop and run.status == "paused":
        assert run.health == ["over_budget"], (seed, run.health)
        return True
    assert (run.status, "output" in output(run) if run.output else False) == ("succeeded", True), (
        seed,
        run.error,
    )
    return False


def test_control_where_lost_answers_count_as_free_more_is_billed_than_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reserving, "lose", lambda self, *_: self.give_back() or "")
    with providers() as servers:
        for server in servers:
            server.behave(latency_ms=0, faults={"cut": 0.3}, seed=1)
        runs = finish(under_budgets())
        assert spent(runs, "tokens") < billed(servers)


def test_of_a_provider_that_is_down_for_good_the_time_out_is_paid_once_by_whom_it_hits() -> None:
    with providers(patience_seconds=30.0, faults={"timeout": 1.0}, hang_seconds=1.0) as (_, second):
        assert {run.status for run in finish(talks(RUNS))} == {"succeeded"}
        asked = asked_in_vain(FIRST)
        assert 3 <= asked <= 2 * THREADS, "those that were on their way until the breaker opened"
        pass_time(-3600)  # so that it stays open however busy this machine is
        assert {run.status for run in finish(talks(3 * RUNS))} == {"succeeded"}
        assert asked_in_vain(FIRST) == asked, "nobody pays the time-out again"
        pass_time(3600 + 300)
        probing = talks(RUNS)
        wait_until_opened(n=2)
        pass_time(-3600)
        assert {run.status for run in finish(probing)} == {"succeeded"}
        assert asked_in_vain(FIRST) == asked + 1, "one probe for all"
        assert second.meter.statuses[200] == len(TURNS) * 5 * RUNS


def wait_until_opened(*, n: int) -> None:
    """Wait until the breaker of the first provider has opened so often."""
    deadline = time.monotonic() + 30
    while ModelGate.objects.get(provider__slug="rehearsal").state["n_opened"] < n:
        assert time.monotonic() < deadline, "no probe was sent"
        time.sleep(0.02)
