"""The slow poll: work is found even when every ticket is lost, or Redis is gone (PROTOCOL 22).

The same thread looks after the worker's own standing: its name, its beater, its leases, and the folders that dead slices
left on this host, where there may be no clock.
"""

import logging
import os
import threading
from itertools import count

from django.db import connection

from agentops.common.conf import conf
from runs import claims, leases
from runs.services.drain import drain
from runs.services.sweep_workspaces import sweep_workspaces

SWEEP_EVERY = 60
# Those queued just now have a ticket on its way. A thread of ours needs a connection of its own, and has nothing prepared.
TICKET_SECONDS = 0.5

logger = logging.getLogger(__name__)

_started_in: set[int] = set()


def start_polling() -> None:
    """Let a thread of this process look for work, now and once in a while, until the process stops."""
    if os.getpid() not in _started_in:
        _started_in.add(os.getpid())
        threading.Thread(target=_poll, name="poll", daemon=True).start()


def _poll() -> None:
    """Never executes a run itself: a long one would end the looking."""
    process, rounds = leases.worker(), count()
    while not process.stopping.is_set():
        try:
            process.look_after_itself()
            if next(rounds) % SWEEP_EVERY == 0:
                sweep_workspaces()
            for queue in process.queues:
                _look(process, queue)
        except Exception as error:  # noqa: BLE001 -- the poll must outlive an outage
            logger.warning("poll: %s", str(error).strip().split("\n")[0])
        process.stopping.wait(conf().worker_poll_seconds)


def _look(process: leases.WorkerProcess, queue: str) -> None:
    """Begin as many drains as there are runs left waiting, and slots for them; those that find no slot free end at once."""
    n_idle = process.n_idle
    n_left = claims.n_queued(queue, limit=n_idle, waited_seconds=TICKET_SECONDS) if n_idle else 0
    for _ in range(n_left):
        threading.Thread(target=_drain, args=(queue,), name="polled", daemon=True).start()


def _drain(queue: str) -> None:
    try:
        drain(queue)
    except Exception as error:  # noqa: BLE001 -- the next look tries again
        logger.warning("drain of %s: %s", queue, error)
    finally:
        connection.close()
