"""One round of the clock: everything that must happen because time passes."""

import json
import logging
import os
import time
from dataclasses import dataclass, field
from uuid import UUID

from agentops.accounts.models import Team
from agentops.audit.services.seal_entries import seal_entries
from agentops.common.ids import new_id
from runs.chores import do_chores
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

_BEAT = (
    "INSERT INTO runs_clockbeat (id, host, pid, tick_seconds, problems)"
    " VALUES (%(id)s, %(host)s, %(pid)s, %(tick_seconds)s, %(problems)s::jsonb)"
    " ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp(), tick_seconds = excluded.tick_seconds,"
    " problems = excluded.problems"
)
_FORGET = "DELETE FROM runs_clockbeat WHERE beat_at < clock_timestamp() - interval '1 hour'"


@dataclass(slots=True)
class Clock:
    """One clock process; any number may run beside each other."""

    id: UUID = field(default_factory=new_id)
    grace: sweep.Grace = field(default_factory=sweep.Grace)
    n_ticks: int = 0
    registered: object = None

    def tick(self) -> None:
        """Fire what is due, find what was lost, and beat."""
        began = time.monotonic()
        sweep.wake_due()
        sweep.expire_overdue()
        end_left_children()
        sweep_waits.tell_parents()
        settle_fanouts()
        sweep_waits.match_events()
        sweep_waits.look_again()
        if sweep.bury_neighbours() + self._bury_silent():
            logger.warning("a worker died; its runs go on elsewhere")
        sweep.requeue_orphans()
        fire_schedules()
        work_on_bulk()
        seal_entries()
        do_chores(self.n_ticks)
        if self.n_ticks % MINDED_EVERY_TICKS == 0:
            mind_budgets()
        sweep.reissue_tickets()
        self._register_programs()
        if self.n_ticks % SLOW_JOBS_EVERY == 0:
            sweep.forget_old_workers()
            sweep_waits.drop_waits_of_ended()
            sweep_workspaces()
            execute(_FORGET, {})
        self.n_ticks += 1
        self._beat(time.monotonic() - began)

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
               "problems": json.dumps(problems())}  # fmt: skip
        execute(_BEAT, row)
