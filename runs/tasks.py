"""The Celery entrance: one task, and the life of the worker process around it."""

import gc
from typing import Any

from celery import bootsteps, shared_task
from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_shutting_down

from runs import leases
from runs.services.drain import drain as drain_queue
from runs.services.poll import start_polling


@shared_task(name="runs.drain", ignore_result=True)
def drain(queue: str) -> None:
    drain_queue(queue)


class Standing(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Stands ready as soon as the pool does, with or without a broker: registered, beating, looking for work.

    Where the pool forks, each child does, and its parent executes nothing.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **_: object) -> None:
        self.is_forking = worker.pool_cls.__module__ == "celery.concurrency.prefork"
        queues = sorted(worker.app.amqp.queues.consume_from)
        leases.serve(queues=queues, slots=1 if self.is_forking else worker.concurrency)

    def start(self, worker: Any) -> None:
        gc.freeze()  # looking through all that the imports left took 60 ms of some step, again and again
        if not self.is_forking:
            start_polling()


@worker_init.connect
def _beginning(sender: Any, **_: object) -> None:
    sender.app.steps["worker"].add(Standing)


@worker_process_init.connect
def _child(**_: object) -> None:
    start_polling()


@worker_shutting_down.connect
@worker_process_shutdown.connect
def _stopping(**_: object) -> None:
    """Let slices end at their next action: their runs go back to the queue at once."""
    leases.worker().stop()
