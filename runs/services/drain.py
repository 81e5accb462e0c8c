"""Drain a queue: claim runs and advance them until nothing is runnable."""

import logging
import time

from agentops.common.conf import conf
from runs import claims, dispatch, leases
from runs.services.advance import advance
from runs.services.isolate import run_in_own_process

# A run that must run alone has a turn among the others, however many of them there are.
ISOLATED_EVERY = 20

logger = logging.getLogger(__name__)


def drain(queue: str) -> int:
    """Advance runs of `queue`, one slice each, and return how many slices that were.

    Ends when nothing is runnable, every slot of the process is taken, the process is stopping, or after
    `drain_seconds`; then a successor ticket goes out. The first successful claim sends one more ticket, so that
    drainers multiply while there is work.
    """
    process = leases.worker()
    with process.slot() as is_free:
        if not is_free:
            return 0
        dispatch.taken(queue)
        return _drained(process, queue)


def _drained(process: leases.WorkerProcess, queue: str) -> int:
    until = time.monotonic() + conf().drain_seconds
    n_slices = 0
    while not process.stopping.is_set():
        is_turn = n_slices % ISOLATED_EVERY == ISOLATED_EVERY - 1
        isolated = claims.next_isolated(queue) if is_turn else None
        claimed = [] if isolated else claims.claim(worker_id=process.ensure(), queue=queue, limit=1)
        isolated = isolated if claimed or isolated else claims.next_isolated(queue)
        if not claimed and isolated is None:
            return n_slices
        if not n_slices or time.monotonic() > until:
            dispatch.poke(queue)
        n_slices += 1
        if isolated is not None:
            run_in_own_process(isolated)
        for one in claimed:
            with process.holding(one.lease):
                advance(one, stopping=process.stopping)
        if time.monotonic() > until:
            return n_slices
    return n_slices
