"""Takes protections out of a process, as soon as its code is loaded."""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from uuid import UUID

from django.apps import AppConfig

_BEAT = (
    "UPDATE runs_worker SET beat_at = clock_timestamp() WHERE id = %(id)s AND dead_at IS NULL RETURNING id"
)


class Without(AppConfig):
    """An app of the controls' processes alone."""

    name = "tests.crash.without"
    label = "without"

    def ready(self) -> None:
        for name in os.environ["WITHOUT"].split(","):
            PROTECTIONS[name]()


def fence() -> None:
    """Take the epoch out of every commit."""
    from runs.journal import statements

    statements.GUARDS.update(unfenced(statements.GUARDS))
    statements.statement.cache_clear()


def unfenced(guards: Mapping[str, str]) -> dict[str, str]:
    """Return the guards of all commits without what fences them off."""
    bare = {
        name: text.replace("AND epoch = %(epoch)s AND status = 'running'", "").replace(
            " AND node_seq = %(seq)s", ""
        )
        for name, text in guards.items()
    }
    assert not any("epoch" in text.split("WHERE")[1] for text in bare.values())
    return bare


def grace() -> None:
    """Let clocks judge a worker's silence at once, whatever was before."""
    from runs.services import sweep

    condition = "AND EXISTS (SELECT 1 FROM runs_clockbeat c WHERE c.id = %(clock_id)s AND c.beat_at > t.now - t.lease / 2)"
    assert condition in sweep._BURY_SILENT
    sweep._BURY_SILENT = sweep._BURY_SILENT.replace(condition, "")
    sweep.Grace.allows = lambda *_: True  # type: ignore[method-assign]  # what the control is about


def care() -> None:
    """Let a worker register, and then never look after its beater and its leases."""
    from runs.leases import WorkerProcess

    def register(process: WorkerProcess) -> None:
        if process.id is None:
            process.ensure()

    WorkerProcess.look_after_itself = register  # type: ignore[method-assign, assignment]  # what the control is about


def patience() -> None:
    """Let a slice give up when the database cannot be reached."""
    from runs.journal import fence

    fence._TRANSIENT = ()  # type: ignore[assignment]  # what the control is about


def poll() -> None:
    """Let workers wait for tickets, and clocks send each ticket once."""
    from runs.leases import WorkerProcess
    from runs.services import poll as polling
    from runs.services import sweep

    def once(process: WorkerProcess, queue: str) -> None:
        """Look for nothing."""

    polling._look = once
    sweep.reissue_tickets = lambda: None


def exclusion() -> None:
    """Let a worker claim whatever is not over, also what another one executes."""
    from runs import claims

    guard = "r.status = 'queued' AND r.queue"
    assert guard in claims._CLAIM_FAIR
    claims._CLAIM_FAIR = claims._CLAIM_FAIR.replace(guard, "r.status IN ('queued', 'running') AND r.queue")


def one_statement() -> None:
    """Let a clock look for what is due, and then wake it, as if it were the only one."""
    from runs.journal.fence import query
    from runs.services import sweep

    def wake_due() -> int:
        due = query("SELECT id FROM runs_run WHERE status = 'sleeping' AND wake_at <= clock_timestamp()", {})
        time.sleep(random.uniform(0.0, 1.5) if due else 0.0)
        wake = "UPDATE runs_run SET status = 'queued', wake_at = NULL, queued_at = clock_timestamp() WHERE id = ANY(%(ids)s)"
        return len(query(f"{wake} RETURNING id", {"ids": [row[0] for row in due]}))

    sweep.wake_due = wake_due


def beater() -> None:
    """Take the protections out of the beater, and out of the clock that would do its work."""
    from runs import leases
    from runs.services import sweep
    from tests.crash.beater_without import STATEMENTS

    leases.BEATER = (sys.executable, "-m", "tests.crash.beater_without")
    for name in STATEMENTS.keys() & os.environ["WITHOUT"].split(","):
        vars(sweep)["REQUEUE"] = STATEMENTS[name](vars(sweep)["REQUEUE"])


def sibling() -> None:
    """Let a worker beat from a thread of its own."""
    from runs import leases

    leases._start_beater = BeatingThread  # type: ignore[assignment]  # what the control is about


class BeatingThread:
    """Stands in the place of the beater's process."""

    def __init__(self, worker_id: UUID, _: object) -> None:
        self._worker_id = worker_id
        self._status: int | None = None
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        from agentops.common.conf import conf
        from runs.beater import DECLARED_DEAD
        from runs.journal.fence import execute

        while execute(_BEAT, {"id": self._worker_id}):
            time.sleep(conf().beat_seconds)
        self._status = DECLARED_DEAD

    def poll(self) -> int | None:
        return self._status

    def kill(self) -> None:
        """A thread cannot be killed."""

    def wait(self) -> int:
        return 0


PROTECTIONS: dict[str, Callable[[], None]] = {
    "fence": fence, "grace": grace, "care": care, "patience": patience, "poll": poll, "exclusion": exclusion,
    "one_statement": one_statement, "sibling": sibling, "requeue": beater, "blame": beater, "overdue": beater,
}  # fmt: skip
