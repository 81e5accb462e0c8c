"""The slow poll: work is found even when every ticket is lost, or Redis is gone (PROTOCOL 22)."""

import logging
import time

from django.db import connection

from agentops.common.conf import conf
from runs import leases
from runs.services.drain import drain

logger = logging.getLogger(__name__)


def poll_forever(queues: list[str]) -> None:
    """Drain each queue once in a while, until the process stops."""
    stopping = leases.worker().stopping
    while not stopping.wait(conf().worker_poll_seconds):
        for queue in queues:
            try:
                drain(queue)
            except Exception as error:  # noqa: BLE001 -- the poll must outlive an outage
                logger.warning("poll of %s: %s", queue, error)
                connection.close()
                time.sleep(conf().worker_poll_seconds)
