"""W4: ten thousand workflows that sleep until one instant, on two worker processes with 8 slots each.

How long it takes to put them to sleep is tried first on a few, so that all sleep before the instant comes.
"""

import argparse
import time
from abc import abstractmethod
from collections.abc import Sequence

from benchmarks.durable import Contestant, Workers, spent_cpu
from benchmarks.figures import emit, percentile

N_TRIED = 1000
AN_HOUR_SECONDS = 3600.0
MARGIN_SECONDS = 12.0
# So long the driver, which counts marks, keeps off the cores that are measured.
QUIET_SECONDS = 3.0


class Sleeper(Contestant):
    """A contestant whose workflows can wait for an instant; each then calls `marks.mark("step", workflow, 1)`."""

    @abstractmethod
    def put_to_sleep(self, workflows: Sequence[str], due: float) -> None:
        """Start the workflows; they wait until `due` (Unix seconds)."""

    @abstractmethod
    def n_asleep(self) -> int:
        """Return how many wait now."""

    def submit(self, workflows: Sequence[str]) -> None:
        self.put_to_sleep(workflows, time.time())


def main(contestant: Sleeper, description: str) -> None:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--worker", type=int, help="be this worker (used by the driver)")
    given = parser.parse_args()
    contestant.set_up()
    try:
        with Workers(contestant, "rate") as workers:
            figures = measure(contestant, workers, given.n)
    finally:
        contestant.tear_down()
    emit(f"W4 n={given.n}", contestant.name, figures, contestant.packages)


def measure(contestant: Sleeper, workers: Workers, n: int) -> dict[str, tuple[float | None, str]]:
    each_seconds = _try(contestant, workers)
    due = time.time() + n * each_seconds * 1.6 + MARGIN_SECONDS
    began = time.time()
    held = []
    for first, last in ((0, n // 2), (n // 2, n)):
        contestant.put_to_sleep([f"s{i}" for i in range(first, last)], due)
        _all_asleep(contestant, workers, last + N_TRIED, due)
        held.append(workers.memory_bytes())
    put = time.time() - began
    time.sleep(due - time.time())
    spent = spent_cpu(workers)
    time.sleep(QUIET_SECONDS)
    workers.wait(lambda: len(_begun(workers, "s")) >= n, pause=1.0)
    used = {name: after - spent[name] for name, after in spent_cpu(workers).items()}
    lags = [at - due for at in _begun(workers, "s").values()]
    return {
        "lag_p50": (round(percentile(lags, 50), 2), "s"),
        "all_begun": (round(max(lags), 2), "s"),
        "early": (sum(lag < 0 for lag in lags), "workflows"),
        "put_to_sleep": (round(put, 1), "s"),
        # Of the second half: by then a process has what it needs whatever it does.
        "memory_each": (round((held[1] - held[0]) / (n - n // 2) / 1e3, 2), "kB"),
        **{name: (round(seconds / n * 1e6, 1), "us/workflow") for name, seconds in used.items()},
    }


def _all_asleep(contestant: Sleeper, workers: Workers, n: int, due: float) -> None:
    workers.wait(lambda: contestant.n_asleep() >= n or time.time() > due - 1, pause=0.5)
    if time.time() > due - 1:
        raise RuntimeError(f"{contestant.name}: not all were asleep before they were due")


def _try(contestant: Sleeper, workers: Workers) -> float:
    """Return how long it takes to put one to sleep, after each slot has woken some."""
    contestant.submit([f"try{i}" for i in range(N_TRIED)])
    workers.wait(lambda: len(_begun(workers, "try")) >= N_TRIED)
    began = time.time()
    contestant.put_to_sleep([f"later{i}" for i in range(N_TRIED)], began + AN_HOUR_SECONDS)
    workers.wait(lambda: contestant.n_asleep() >= N_TRIED)
    return (time.time() - began) / N_TRIED


def _begun(workers: Workers, prefix: str) -> dict[str, float]:
    return {mark.workflow: mark.at for mark in workers.of(prefix)}
