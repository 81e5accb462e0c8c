"""One round of the clock: everything that must happen because time passes."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from django.db import InterfaceError, OperationalError

from agentops.accounts.models import Team
from agentops.audit.services.seal_entries import seal_entries
from agentops.common.ids import new_id
from runs.chores import chores_of
from runs.journal.fence import execute
from runs.leases import this_host
from runs.programs import problems, programs
from runs.services import sweep, sweep_waits
from runs.services.admit_children import settle_fanouts
from runs.services.end_children import end_left_children
from runs.services.fire_schedules import fire_schedules
from runs.services.mind_budgets import MINDED_EVERY_TICKS, mind_budgets
from runs.services.register_programs import register_programs
from runs.services.sweep_workspaces import sweep_workspaces
from runs.services.work_on_bulk import work_on_bulk

logger = logging.getLogger(__name__)

SLOW_JOBS_EVERY = 240
MAX_ERROR_CHARACTERS = 500

_BEAT = (
    "INSERT INTO runs_clockbeat (id, host, pid, tick_seconds, problems, failing)"
    " VALUES (%(id)s, %(host)s, %(pid)s, %(tick_seconds)s, %(problems)s::jsonb, %(failing)s::jsonb)"
    " ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp(), tick_seconds = excluded.tick_seconds,"
    " problems = excluded.problems, failing = excluded.failing"
)
_FORGET = "DELETE FROM runs_clockbeat WHERE beat_at < clock_timestamp() - interval '1 hour'"


@dataclass(slots=True)
class Clock:
    """One clock process; any number may run beside each other."""

    id: UUID = field(default_factory=new_id)
    grace: sweep.Grace = field(default_factory=sweep.Grace)
    n_ticks: int = 0
    failing: dict[str, str] = field(default_factory=dict)
    registered: object = None

    def tick(self) -> None:
        """Fire what is due, find what was lost, and beat. A job that fails is told of, and holds up none of the others.

        Raises: OperationalError, InterfaceError when the database is away.
        """
        began = time.monotonic()
        for name, job in self._jobs():
            self._do(name, job)
        self.n_ticks += 1
        self._beat(time.monotonic() - began)

    def _jobs(self) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "wake what is due", sweep.wake_due
        yield "expire what is overdue", sweep.expire_overdue
        yield "end children that were left", end_left_children
        yield "tell parents", sweep_waits.tell_parents
        yield "settle fan-outs", settle_fanouts
        yield "match events", sweep_waits.match_events
        yield "look again at waits", sweep_waits.look_again
        yield "bury workers", self._bury
        yield "requeue orphans", sweep.requeue_orphans
        yield "fire schedules", fire_schedules
        yield "work on bulk jobs", work_on_bulk
        yield "seal the audit", seal_entries
        yield from chores_of(self.n_ticks)
        if self.n_ticks % MINDED_EVERY_TICKS == 0:
            yield "mind budgets", mind_budgets
        yield "reissue tickets", sweep.reissue_tickets
        yield "register programs", self._register_programs
        if self.n_ticks % SLOW_JOBS_EVERY == 0:
            yield "forget old workers", sweep.forget_old_workers
            yield "drop waits of ended runs", sweep_waits.drop_waits_of_ended
            yield "sweep workspaces", sweep_workspaces
            yield "forget old clocks", lambda: execute(_FORGET, {})

    def _do(self, name: str, job: Callable[[], object]) -> None:
        try:
            job()
        except (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            self.failing[name] = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
            logger.exception("the clock's job %r failed; its next turn tries again", name)
        else:
            self.failing.pop(name, None)

    def _bury(self) -> None:
        if sweep.bury_neighbours() + self._bury_silent():
            logger.warning("a worker died; its runs go on elsewhere")

    def _register_programs(self) -> None:
        """Make new and changed programs known to every team."""
        found = programs()
        if found is not self.registered or self.n_ticks % SLOW_JOBS_EVERY == 0:
            for team_id in Team.objects.values_list("id", flat=True):
                register_programs(team_id=team_id)
            self.registered = found

    def _bury_silent(self) -> int:
        return sweep.bury_silent(self.id) if self.grace.allows(*sweep.database_clock()) else 0

    def _beat(self, tick_seconds: float) -> None:
        row = {"id": self.id, "host": this_host().name, "pid": os.getpid(), "tick_seconds": tick_seconds,
               "problems": json.dumps(problems()), "failing": json.dumps(self.failing)}  # fmt: skip
        execute(_BEAT, row)
