"""DBOS Transact: workflows enqueued by a client, two worker processes with `worker_concurrency=8`.

    default  queue polled every second, every process under the default executor id
    tuned    queue polled every 50 ms, an executor id for each process, as its documentation asks for
    told     tuned; a second after the kill a living process is told to recover the dead one's workflows, which is
             what its hosted Conductor does

Without the Conductor nobody watches a dead executor: its workflows go on when a process with its id starts.
"""

import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from dbos import DBOS, DBOSClient

from benchmarks import database
from benchmarks.durable import SLOTS, Contestant, arguments, drive
from benchmarks.figures import versions
from benchmarks.marks import N_STEPS, mark, step

DATABASE, QUEUE = "bench_dbos", "bench"


def launch(variant: str, executor: str | None) -> None:
    """Register the workflow and start DBOS in this process."""
    logging.getLogger("dbos").setLevel(logging.ERROR)
    config: Any = {
        "name": "bench", "system_database_url": database.url(DATABASE), "log_level": "ERROR",
        "application_version": "1",
    }  # fmt: skip
    if executor is not None and variant != "default":
        config["executor_id"] = executor
    DBOS(config=config)

    @DBOS.step()
    def one(workflow: str, number: int) -> int:
        return step(workflow, number)

    @DBOS.workflow(name="steps")
    def steps(workflow: str) -> str:
        for number in range(1, N_STEPS + 1):
            one(workflow, number)
        return workflow

    if executor == "driver":
        DBOS.listen_queues([])
    DBOS.launch()


class Dbos(Contestant):
    packages = versions("dbos", "psycopg", "SQLAlchemy")

    def __init__(self, mode: str, variant: str, *, is_restarted: bool) -> None:
        self.name = f"dbos ({variant}{', restarted' if is_restarted else ''})"
        self.mode, self.variant = mode, variant

    def set_up(self) -> None:
        database.create(DATABASE)
        launch(self.variant, "driver")
        poll_seconds = 1.0 if self.variant == "default" else 0.05
        DBOS.register_queue(QUEUE, worker_concurrency=SLOTS, polling_interval_sec=poll_seconds)
        DBOS.destroy()
        self.client = DBOSClient(system_database_url=database.url(DATABASE))

    def worker(self, number: int) -> tuple[list[str], dict[str, str]]:
        own = ["--worker", str(number), "--mode", self.mode, "--variant", self.variant]
        return [sys.executable, "-m", "benchmarks.peers.w2_dbos", *own], {}

    def submit(self, workflows: Sequence[str]) -> None:
        for workflow in workflows:
            how: Any = {"workflow_name": "steps", "queue_name": QUEUE, "workflow_id": workflow}
            self.client.enqueue(how, workflow)

    def after_kill(self) -> None:
        if self.variant == "told":
            time.sleep(1.0)
            with database.connect(DATABASE) as connection:
                connection.execute("CREATE TABLE told ()")

    def tear_down(self) -> None:
        self.client.destroy()
        database.drop(DATABASE)


def work(variant: str, number: int) -> None:
    launch(variant, f"worker{number}")
    time.sleep(1.2)
    mark("ready")
    connection = database.connect(DATABASE)
    is_told = False
    while True:
        time.sleep(0.1)
        found = connection.execute("SELECT to_regclass('public.told')").fetchone()
        if number == 0 and not is_told and found and found[0]:
            is_told = True
            DBOS._recover_pending_workflows(["worker1"])  # noqa: SLF001 -- what its Conductor calls


if __name__ == "__main__":
    given = arguments(__doc__ or "", ["default", "tuned", "told"])
    if given.worker is None:
        drive(Dbos(given.mode, given.variant, is_restarted=given.restart), given)
    else:
        work(given.variant, given.worker)
