"""Celery's ETA: each task waits in the memory of the worker that took it, with threads as the product's workers."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import redis
from celery import Celery
from celery.signals import worker_ready

from benchmarks.durable import SLOTS
from benchmarks.figures import versions
from benchmarks.marks import mark
from benchmarks.sleepers import Sleeper, main

app = Celery(
    "benchmarks.peers.w4_celery", broker=os.environ["BENCH_REDIS"].replace("unix://", "redis+socket://", 1)
)
app.conf.update(
    task_ignore_result=True, worker_hijack_root_logger=False, task_default_queue="bench_eta",
    broker_transport_options={"visibility_timeout": 3600}, broker_connection_retry_on_startup=True,
)  # fmt: skip


@app.task(name="wake")
def wake(workflow: str) -> None:
    mark("step", workflow, 1)


@worker_ready.connect
def _ready(**_: object) -> None:
    mark("ready")


class CeleryEta(Sleeper):
    name = "celery eta"
    packages = versions("celery", "redis")

    def set_up(self) -> None:
        self._redis = redis.Redis.from_url(os.environ["BENCH_REDIS"])
        self._redis.flushdb()
        self._n_sent = 0

    def worker(self, number: int) -> tuple[list[str], dict[str, str]]:
        return [
            *(sys.executable, "-m", "celery", "-A", "benchmarks.peers.w4_celery", "worker", "-P", "threads"),
            *(
                "-c",
                str(SLOTS),
                "--without-gossip",
                "--without-mingle",
                "-n",
                f"eta{number}@%h",
                "-l",
                "WARNING",
            ),
        ], {}

    def put_to_sleep(self, workflows: Sequence[str], due: float) -> None:
        eta = datetime.fromtimestamp(due, UTC)
        for workflow in workflows:
            wake.apply_async((workflow,), eta=eta)
        self._n_sent += len(workflows)

    def n_asleep(self) -> int:
        """Return how many have reached a worker."""
        return self._n_sent - int(self._redis.llen("bench_eta"))

    def tear_down(self) -> None:
        self._redis.flushdb()


if __name__ == "__main__":
    main(CeleryEta(), __doc__ or "")
