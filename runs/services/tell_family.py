"""Tell the parent and the children of a run that it has ended, at once; the clock does it for certain."""

import logging
from uuid import UUID

from runs.journal.fence import execute
from runs.services.admit_children import admit_children
from runs.services.end_children import end_children
from runs.services.settle_waits import settle_waits

_KIN = "SELECT parent_id, parent_seq, child_n, is_parent FROM runs_run WHERE id = %(id)s AND ended_at IS NOT NULL"

logger = logging.getLogger(__name__)


def tell_family(run_id: UUID) -> None:
    """Wake the parent of a run that has ended, and end its children; a hint, so what goes wrong is only logged.

    To be called for runs that have a parent or children, after the end was committed and with no transaction open.
    """
    try:
        _tell(run_id)
    except Exception:
        logger.exception("run %s: its family hears of its end from the clock", run_id)


def _tell(run_id: UUID) -> None:
    row = execute(_KIN, {"id": run_id})
    if row is None:
        return
    parent_id, parent_seq, child_n, is_parent = row
    if child_n is not None:
        admit_children(parent_id, parent_seq)
    elif parent_id is not None:
        settle_waits([parent_id])
    if is_parent:
        end_children(run_id)
