"""Drain a queue: claim runs and advance them until nothing is runnable."""

import time
from collections.abc import Callable
from functools import partial

from agentops.common.conf import conf
from runs import claims, dispatch, leases
from runs.services.advance import advance
from runs.services.claim_together import claim_together
from runs.services.isolate import next_isolated

# A run that must run alone has a turn among the others, however many of them there are.
ISOLATED_EVERY = 20


def drain(queue: str) -> int:
    """Advance runs of `queue`, one slice each, and return how many slices that were.

    Ends when nothing is runnable, every slot of the process is taken, the process is stopping, or after
    `drain_seconds`; then a successor ticket goes out. Where more is queued after the first successful claim, one more
    ticket goes out, so that drainers multiply while there is work.
    """
    process = leases.worker()
    with process.slot() as is_free:
        if not is_free:
            return 0
        dispatch.taken(queue)
        return _drained(process, queue)


def _drained(process: leases.WorkerProcess, queue: str) -> int:
    until = time.monotonic() + conf().drain_seconds
    n_slices, is_busy = 0, True
    # To look whether anything is queued costs a tenth of a claim that finds nothing.
    while not process.stopping.is_set() and (is_busy or claims.n_queued(queue, limit=1)):
        work = _next_work(process, queue, is_turn_of_isolated=n_slices % ISOLATED_EVERY == ISOLATED_EVERY - 1)
        if work is None:
            return n_slices
        if not n_slices:
            is_busy = bool(claims.n_queued(queue, limit=1))
        if (not n_slices and is_busy) or time.monotonic() > until:
            dispatch.poke(queue)
        n_slices += 1
        work()
        if time.monotonic() > until:
            return n_slices
    return n_slices


def _next_work(
    process: leases.WorkerProcess, queue: str, *, is_turn_of_isolated: bool
) -> Callable[[], object] | None:
    """Return a slice to be worked on, of a run that must run alone first if it is the turn of those."""
    if is_turn_of_isolated:
        return next_isolated(queue) or _next_slice(process, queue)
    return _next_slice(process, queue) or next_isolated(queue)


def _next_slice(process: leases.WorkerProcess, queue: str) -> Callable[[], object] | None:
    claimed = claim_together(worker_id=process.ensure(), queue=queue)
    return partial(_advance, process, claimed) if claimed else None


def _advance(process: leases.WorkerProcess, claimed: claims.Claimed) -> None:
    with process.holding(claimed.lease):
        advance(claimed, stopping=process.stopping)
