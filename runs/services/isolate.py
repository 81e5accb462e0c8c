"""Run one run alone: a process of its own, with one slot, so that its crash harms nobody and proves who crashed."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.conf import settings

from runs import claims, leases
from runs.services.advance import advance

logger = logging.getLogger(__name__)

# To start a process costs seconds; were every slot to start one, all would be after the same few runs.
_turn = threading.Lock()


def next_isolated(queue: str) -> Callable[[], object] | None:
    """Return what works on the next run of `queue` that must run alone; None when there is none, or one is at work here.

    Whoever gets it must call it: until then nobody else of this process gets one.
    """
    if not _turn.acquire(blocking=False):
        return None
    try:
        run_id = claims.next_isolated(queue)
    except BaseException:
        _turn.release()
        raise
    if run_id is None:
        _turn.release()
        return None
    return partial(_run_in_turn, run_id)


def _run_in_turn(run_id: UUID) -> None:
    try:
        run_in_own_process(run_id)
    finally:
        _turn.release()


def run_in_own_process(run_id: UUID) -> int:
    """Start a process that advances the run by one slice, wait for its end, and return its exit status.

    A status below zero is the signal that ended it; its beater has then counted the loss.
    """
    done = subprocess.run(
        [sys.executable, "manage.py", "run_alone", str(run_id)], cwd=settings.BASE_DIR, check=False
    )
    if done.returncode < 0:
        logger.warning("run %s ended its own process by signal %s", run_id, -done.returncode)
    return done.returncode


def advance_alone(run_id: UUID) -> bool:
    """Claim the isolated run in the name of this process and advance it by one slice; False when it is not there."""
    process = leases.worker()
    claimed = claims.claim_alone(worker_id=process.ensure(), run_id=run_id)
    for one in claimed:
        with process.holding(one.lease):
            advance(one, stopping=process.stopping)
    process.retire()
    return bool(claimed)
