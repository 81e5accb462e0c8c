"""The innocent runs that are under way while something breaks, and what must be true of them afterwards."""

from collections import Counter

from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.models import Attempt, Checkpoint, Run, Step
from tests import ledger
from tests.crash.form import form
from tests.runs import a_run, a_team

N_RUNS = form(short=24, long=96)
N_STEPS = 12


def start_runs(n: int, seconds: float = 0.1) -> list[Run]:
    """Queue `n` runs of N_STEPS nodes that read, write to the ledger, and last `seconds` each."""
    ledger.create()
    team = a_team()
    return [
        a_run("test-effects", {"run": f"run-{i}", "n": N_STEPS, "seconds": seconds}, team=team)
        for i in range(n)
    ]


def n_open() -> int:
    return Run.objects.filter(status__in=["queued", "running", "sleeping"]).count()


def n_begun() -> int:
    return Run.objects.filter(n_steps__gt=0).count()


def assert_all_went_well(n: int) -> None:
    """Every run has succeeded, no step is missing, no effect happened twice, every chain is whole."""
    assert Counter(Run.objects.values_list("status", flat=True)) == {"succeeded": n}
    assert not Attempt.objects.exists(), "nothing failed, so a failed attempt is a stale worker's"
    assert Counter(dict(ledger.entries()).values()) == {1: n * N_STEPS}
    for run in Run.objects.all():
        state = rebuild(run).state
        assert (state["i"], list(state["log"])) == (N_STEPS, list(range(N_STEPS)))
        assert Checkpoint.objects.filter(run=run, kind="d").count() == N_STEPS
        assert Step.objects.filter(run=run, kind="node", status="succeeded").count() == N_STEPS
        assert verify_run(run).is_clean
