"""Reading schedules, what came of their times, and the times that come next."""

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import InvalidInputError, NotFoundError
from runs.models import Schedule, ScheduleFire
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.timetable import CronError, Timetable, ZoneError, timetable

SHOWN_TIMES = 5
MAX_TIMES = 100


def schedules_of(actor: Actor) -> QuerySet[Schedule]:
    """Return the schedules that the actor may see: those of their team, with agent, version and `now_at`.

    Raises: NotAllowedError when the actor may not read.
    """
    actor.require(Scope.READ)
    found = Schedule.objects.filter(team_id=actor.team_id).select_related(
        "agent", "agent_version", "defined_by"
    )
    return found.defer("agent__description", "agent_version__input_schema").annotate(now_at=Now())


def schedule_for(actor: Actor, schedule_id: UUID) -> Schedule:
    """Return the schedule with its input.

    Raises: NotFoundError, also for a schedule of another team.
    """
    found = schedules_of(actor).filter(id=schedule_id).first()
    if found is None:
        raise NotFoundError(f"there is no schedule {schedule_id}", schedule_id=str(schedule_id))
    return found


def schedules_for(
    actor: Actor,
    *,
    agent: str = "",
    is_paused: bool | None = None,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[Schedule]:
    """Return a page of schedules, newest first, without input, each with `last_status`, `last_reason` and `last_at`.

    Args:
        actor: whose team's schedules.
        agent: slug of an agent.
        is_paused: only paused or only active ones.
        cursor: `next_cursor` of the page before.
        limit: how many at most; cut to MAX_LIMIT.

    Raises: BadQueryError for a cursor that cannot be understood.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    found = schedules_of(actor).defer("input")
    if agent:
        found = found.filter(agent__slug=agent)
    if is_paused is not None:
        found = found.filter(is_paused=is_paused)
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    last = ScheduleFire.objects.filter(schedule=OuterRef("pk")).order_by("-fire_at")
    found = found.annotate(
        last_status=Subquery(last.values("status")[:1]),
        last_reason=Subquery(last.values("reason")[:1]),
        last_at=Subquery(last.values("fire_at")[:1]),
    )
    return page_of(list(found.order_by("-id")[: limit + 1]), limit, lambda schedule: (schedule.id,))


def fires_for(
    actor: Actor, schedule_id: UUID, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[ScheduleFire]:
    """Return a page of what came of the schedule's times, newest first, each with the `run_status` of its run.

    Raises: NotFoundError; BadQueryError
    """
    schedule_for(actor, schedule_id)
    limit = max(1, min(limit, MAX_LIMIT))
    found = ScheduleFire.objects.filter(schedule_id=schedule_id, team_id=actor.team_id)
    if cursor:
        found = found.filter(Q(fire_at__lt=decode_cursor(cursor, instant)[0]))
    found = found.annotate(run_status=F("run__status"), run_title=F("run__title"))
    rows = list(found.order_by("-fire_at")[: limit + 1])
    return page_of(rows, limit, lambda fire: (fire.fire_at.isoformat(),))


def upcoming(
    table: Timetable, n_times: int = SHOWN_TIMES, *, after: datetime | None = None
) -> list[datetime]:
    """Return the next times behind `after`, by default behind the present instant of the database's clock.

    Raises: InvalidInputError for an instant at the end of all calendars.
    """
    try:
        return table.upcoming(after or database_now(), n_times)
    except (OverflowError, ValueError) as error:
        told = "lies too far from now"
        raise InvalidInputError(f"after: {told}", errors=[{"pointer": "/after", "message": told}]) from error


def upcoming_of(schedule: Schedule, n_times: int = SHOWN_TIMES) -> list[datetime]:
    """Return the next times of a schedule as it stands; none while it is paused."""
    if schedule.next_at is None:
        return []
    table = timetable(schedule.cron, schedule.time_zone)
    return [schedule.next_at, *table.upcoming(schedule.next_at, n_times - 1)]


def timetable_of(cron: str, time_zone: str) -> Timetable:
    """Return the timetable that somebody asks for.

    Raises: InvalidInputError for both that do not fit; the error of the expression has its `position` in it.
    """
    errors: list[dict[str, object]] = []
    for pointer, asked in (("/cron", (cron, "UTC")), ("/time_zone", ("* * * * *", time_zone))):
        try:
            timetable(*asked)
        except CronError as error:
            errors.append({"pointer": pointer, "message": str(error), "position": error.position})
        except ZoneError as error:
            errors.append({"pointer": pointer, "message": str(error), "suggestion": error.suggestion})
    if errors:
        raise InvalidInputError("; ".join(str(error["message"]) for error in errors), errors=errors)
    return timetable(cron, time_zone)


def database_now() -> datetime:
    """Return the present instant of the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
