"""The Celery entrance: one task, and the life of the worker process around it."""

import logging
import threading

from celery import shared_task
from celery.signals import worker_process_init, worker_ready, worker_shutting_down

from runs import leases
from runs.services.drain import drain as drain_queue
from runs.services.poll import poll_forever

logger = logging.getLogger(__name__)


@shared_task(name="runs.drain", ignore_result=True)
def drain(queue: str) -> None:
    drain_queue(queue)


@worker_ready.connect
def _ready(sender: object = None, **_: object) -> None:
    """Stand ready before the first ticket: registered, beating, and polling slowly in case tickets get lost."""
    queues = sorted(getattr(getattr(sender, "task_consumer", None), "queues", None) or ["default"], key=str)
    names = [getattr(queue, "name", str(queue)) for queue in queues]
    threading.Thread(target=poll_forever, args=(names,), name="poll", daemon=True).start()
    # Last, because it fails while the database is away: then the poll registers this worker later.
    leases.worker().ensure()


@worker_process_init.connect
def _child(**_: object) -> None:
    leases.worker().ensure()


@worker_shutting_down.connect
def _stopping(**_: object) -> None:
    """Let slices end at their next action: their runs go back to the queue at once."""
    leases.worker().stop()
