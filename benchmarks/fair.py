"""Fairness on the product: `python -m benchmarks.fair --kind short|slices`.

One agent has ten thousand queued runs, on two worker processes of 8 slots each, and now and then another agent starts one.
How long does that one wait for its first step? `short` runs end after 20 steps at once; those of `slices` never end and take
50 ms a step, so that every slot is taken for a whole slice each time. `own` is one more run of the first agent, started when
its ten thousand stood: what everybody would wait for if the oldest were served first.
"""

import argparse
import random
import time
from functools import partial

from benchmarks.durable import Workers
from benchmarks.figures import emit, percentile
from benchmarks.product import Product

PAGE = 1000
PROGRAMS = {"short": "bench-trivial", "slices": "bench-fills"}
GAP_SECONDS = {"short": (0.2, 0.8), "slices": (1.0, 5.0)}
N_OTHERS = 20


class Crowd(Product):
    """Runs of one agent by the thousand, and single ones of another."""

    def gather(self, program: str, n: int) -> None:
        """Start `n` runs of the program behind its agent's switch, then let them go."""
        from runs.services.pause_agent import pause_agent
        from runs.services.resume_agent import resume_agent
        from runs.services.start_batch import start_batch

        pause_agent(actor=self._actor, slug=program, reason="until all stand")
        for first in range(0, n, PAGE):
            inputs = [{"workflow": f"crowd{number}"} for number in range(first, min(first + PAGE, n))]
            start_batch(actor=self._actor, agent=program, inputs=inputs, batch_id="crowd", first_index=first)
        self.start_of(program, "own")
        resume_agent(actor=self._actor, slug=program)

    def start_of(self, program: str, workflow: str) -> None:
        from runs.services.start_run import start_run

        start_run(actor=self._actor, agent=program, input={"workflow": workflow})

    def n_queued(self) -> int:
        from runs.models import Run

        return Run.objects.filter(status="queued").count()

    @property
    def slice_seconds(self) -> float:
        from agentops.common.conf import conf

        return conf().slice_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=list(PROGRAMS), default="short")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--worker", type=int, help="be this worker (used by the driver)")
    given = parser.parse_args()
    crowd = Crowd()
    crowd.set_up()
    try:
        with Workers(crowd, "rate") as workers:
            workers.warm_up()
            figures = measure(crowd, workers, given.kind, given.n)
    finally:
        crowd.tear_down()
    emit(f"fair {given.kind} n={given.n}", crowd.name, figures, crowd.packages)


def measure(crowd: Crowd, workers: Workers, kind: str, n: int) -> dict[str, tuple[float | None, str]]:
    crowd.gather(PROGRAMS[kind], n)
    let_go = time.time()
    workers.wait(lambda: any(True for _ in workers.of("crowd")))
    chance, waits, behind = random.Random(1), [], []
    for number in range(N_OTHERS):
        time.sleep(chance.uniform(*GAP_SECONDS[kind]))
        workflow, began = f"other{number}-", time.time()
        behind.append(crowd.n_queued())
        crowd.start_of("bench-other", workflow)
        workers.wait(partial(workers.of, workflow), pause=0.005)
        waits.append(next(mark.at for mark in workers.of(workflow)) - began)
    own = None
    if kind == "short":
        workers.wait(lambda: bool(workers.of("own")), seconds=600, pause=0.5)
        own = next(mark.at for mark in workers.of("own")) - let_go
    return {
        "other_first_step_p50": (round(percentile(waits, 50), 3), "s"),
        "other_first_step_max": (round(max(waits), 3), "s"),
        "slice": (crowd.slice_seconds, "s"),
        "queued_before_it_at_least": (min(behind), "runs"),
        "own_first_step": (None if own is None else round(own, 1), "s"),
    }


if __name__ == "__main__":
    main()
