"""Thirty days of one agent, in a moment: stored instants are moved into the past, as if the time had passed.

Each turn is followed by a sleep of twelve hours. Its sessions hand over after six calls, what it wrote outside stands there
once, what a model is shown does not grow, and the process that does it neither. The long form does it also with eight agents
on a Celery worker.
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.blobs import load
from runs.checkpoints.store import rebuild
from runs.journal.fence import execute, query
from runs.models import Outcome, Run, Step, StuckState
from runs.services.advance import advance
from runs.services.check_chain import check_chain
from runs.services.note_look import note_look
from runs.services.sweep import wake_due
from runs.services.watch_runs import look_at
from tests import ledger
from tests.crash.cluster import Cluster
from tests.crash.form import IS_LONG, form
from tests.definitions import calling, script
from tests.rehearsal import provider, rehearsal_model
from tests.runs import a_run, a_team, a_worker, claim, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

DAYS = form(short=30, long=180)
TURNS_A_DAY = 2
CALLS_A_SESSION = 6
MAY_GROW_BYTES = 12 << 20
# Every instant of a run that anything is decided by; what is under its chain is history and stays.
INSTANTS = {
    "runs_run": ("created_at", "queued_at", "started_at", "node_at", "wake_at", "deadline_at"),
    "runs_step": ("started_at", "ended_at", "due_at"),
    "runs_runlook": ("looked_at",),
    "runs_attempt": ("started_at", "ended_at"),
}


def pass_time(seconds: float) -> None:
    """Let time pass for all that is stored of runs."""
    for table, columns in INSTANTS.items():
        moved = ", ".join(f"{column} = {column} - make_interval(secs => %(seconds)s)" for column in columns)
        execute(f"UPDATE {table} SET {moved}", {"seconds": seconds})


def resident_bytes(pid: int | None = None) -> int:
    """Memory of a process; of this one without what waits to be collected."""
    if pid is None:
        gc.collect()
    return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * 4096


def live(run: Run, n_turns: int, *, at_turn: Callable[[int], None]) -> Run:
    """Return the run after so many turns, each with its sleep behind it, and its end."""
    worker_id = a_worker()
    for n in range(n_turns):
        advance(claim(worker_id))
        run.refresh_from_db()
        assert run.status == "sleeping", (n, run.status, run.error, output(run))
        pass_time(12 * 3600)
        wake_due()
        at_turn(n)
    advance(claim(worker_id))
    run.refresh_from_db()
    return run


def shown_to_the_model(run: Run) -> list[tuple[int, list[Any]]]:
    """The messages of every request, with the tokens that it took."""
    steps = Step.objects.filter(run=run, kind="llm").order_by("seq").values_list("seq", "tokens_in")
    requests = dict(Outcome.objects.filter(run=run).values_list("seq", "request"))
    codecs = dict(Outcome.objects.filter(run=run).values_list("seq", "request_codec"))
    return [(tokens, load(codecs[seq], bytes(requests[seq]))["args"]["messages"]) for seq, tokens in steps]


def a_life(name: str, n_turns: int) -> Run:
    """A run that writes an entry each turn, and then finishes."""
    turns = [{"calls": [calling("test.ledger", entry=f"{name}{n:04}")]} for n in range(n_turns)]
    return a_run("test-endures", {"task": script(*turns, {"finish": "all written"})})


def check_life(run: Run, n_turns: int) -> None:
    """Nothing was lost on the way, and nothing grew with it."""
    run.refresh_from_db()
    assert (run.status, output(run)) == ("succeeded", {"output": "all written"}), run.error
    assert run.ended_at
    assert (run.ended_at - run.created_at).days >= n_turns // TURNS_A_DAY - 1
    assert not StuckState.objects.exists(), "somebody looked each week, and nothing was stuck"
    state = rebuild(run).state
    assert len(state["handoffs"]) == n_turns // CALLS_A_SESSION
    assert sum(it["role"] == "tool" for it in state["messages"]) == n_turns + 1, "the originals stay"
    shown = shown_to_the_model(run)
    assert max(len(messages) for _, messages in shown) <= 1 + 2 * CALLS_A_SESSION
    first, last = shown[: len(shown) // 3], shown[-len(shown) // 3 :]
    assert max(tokens for tokens, _ in last) <= 1.1 * max(tokens for tokens, _ in first), "no request grows"
    assert check_chain(actor=ada(), run_id=run.pk).is_clean


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def check_flat(resident: list[int]) -> None:
    third = len(resident) // 3
    assert min(resident[-third:]) - max(resident[third : 2 * third]) < MAY_GROW_BYTES


def test_an_agent_that_lives_for_thirty_days_hands_over_and_loses_nothing() -> None:
    n_turns = DAYS * TURNS_A_DAY
    resident: list[int] = []
    ledger.create()

    def at_turn(n: int) -> None:
        if n % TURNS_A_DAY == 0:
            look_at([run.pk])
        if n % (3 * TURNS_A_DAY) == 0:
            resident.append(resident_bytes())
        if n % (7 * TURNS_A_DAY) == 0:
            note_look(actor=ada(), run=run)

    with rehearsal_model() as server:
        provider(a_team().pk, server, timeout_seconds=30.0)
        run = a_life("", n_turns)
        live(run, n_turns, at_turn=at_turn)
    assert ledger.entries() == [(f"{n:04}", 1) for n in range(n_turns)], "each entry once"
    check_life(run, n_turns)
    check_flat(resident)


@pytest.mark.skipif(not IS_LONG, reason="the long form: make chaos")
def test_the_memory_of_a_worker_stays_flat_over_thirty_days_of_eight_agents() -> None:
    n_turns = 30 * TURNS_A_DAY
    resident: list[int] = []
    ledger.create()
    with rehearsal_model() as server, Cluster(workers=1, slots=4) as cluster:
        provider(a_team().pk, server, timeout_seconds=30.0)
        runs = [a_life(f"{name} ", n_turns) for name in "abcdefgh"]
        for n in range(1, n_turns + 1):
            cluster.wait_until(lambda n=n: n_asleep_behind(n) == len(runs), seconds=60)  # type: ignore[misc]  # bound
            pass_time(12 * 3600)
            if n % TURNS_A_DAY == 0:
                resident.append(resident_bytes(cluster.workers[0].pid))
            if n % (7 * TURNS_A_DAY) == 0:
                for run in runs:
                    note_look(actor=ada(), run=run)
        cluster.wait_until(lambda: not Run.objects.filter(ended_at=None).exists(), seconds=60)
    assert ledger.entries() == [(f"{name} {n:04}", 1) for name in "abcdefgh" for n in range(n_turns)]
    for run in runs:
        check_life(run, n_turns)
    check_flat(resident)
    sys.stdout.write(f"resident MB of the worker, day by day: {[one >> 20 for one in resident]}\n")


def n_asleep_behind(n: int) -> int:
    """How many runs sleep and have written so many entries."""
    return int(
        query(
            "SELECT count(*) FROM runs_run r WHERE status = 'sleeping' AND wake_at > clock_timestamp() AND %(n)s::bigint = ("
            " SELECT count(*) FROM runs_step s WHERE s.run_id = r.id AND s.name = 'test.ledger' AND s.status = 'succeeded')",
            {"n": n},
        )[0][0]
    )  # fmt: skip
