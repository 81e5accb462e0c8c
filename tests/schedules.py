"""Schedules in tests, and moving their clock."""

from datetime import datetime, timedelta
from typing import Any

from agentops.accounts.roles import Actor, Scope
from runs.models import Run, Schedule, ScheduleFire
from runs.selectors.schedules import database_now
from runs.services.create_schedule import create_schedule
from runs.services.schedule_columns import ScheduleSpec
from tests.runs import a_team


def a_schedule(
    cron: str = "0 9 * * *", *, agent: str = "test-steps", actor: Actor | None = None, **spec: Any
) -> Schedule:
    """Return a schedule of the test program that takes one step, made as people make them."""
    actor = actor or an_actor()
    made, _is_new = create_schedule(
        actor=actor, agent=agent, spec=ScheduleSpec(cron=cron, **{"input": {"n": 1}, **spec})
    )
    return made


def an_actor() -> Actor:
    return Actor(a_team().pk, None, "ada", frozenset(Scope))


def set_back(schedule: Schedule, **ago: float) -> datetime:
    """Make the schedule's next time one that lies so long ago, as after an outage, and return it."""
    at = database_now() - timedelta(**ago)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=at)
    return at


def outcomes(schedule: Schedule) -> list[str]:
    """Return the status of each time, oldest first."""
    found = ScheduleFire.objects.filter(schedule=schedule).order_by("fire_at")
    return list(found.values_list("status", flat=True))


def runs_of(schedule: Schedule) -> list[Run]:
    """Return the runs that were started for its times, oldest time first."""
    fires = ScheduleFire.objects.filter(schedule=schedule, run__isnull=False).order_by("fire_at")
    return [fire.run for fire in fires.select_related("run") if fire.run]


def end(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status="succeeded", worker_id=None, ended_at=database_now())
