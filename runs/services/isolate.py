"""Run one run alone: a process of its own, with one slot, so that its crash harms nobody and proves who crashed."""

import logging
import subprocess
import sys
from uuid import UUID

from django.conf import settings

from runs import claims, leases
from runs.services.advance import advance

logger = logging.getLogger(__name__)


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
