"""Schedules as the API tells them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runs import schemas_schedules as schemas
from runs.checkpoints.codec import decode
from runs.engine.states import RunStatus
from runs.models import Schedule, ScheduleFire
from runs.selectors.schedules import upcoming_of
from runs.timetable import Timetable, timetable


def schedule_url(schedule: Schedule) -> str:
    """Return the address of the schedule in the API."""
    return f"/api/v1/schedules/{schedule.id}"


def etag(schedule: Schedule) -> str:
    return f'"{schedule.version}"'


def schedule_listed(schedule: Schedule) -> schemas.ScheduleListedOut:
    """Return a row of the list; `schedule` bears what schedules_for annotates."""
    told = schedule.__dict__
    last = schemas.LastFireOut(
        fire_at=told["last_at"], status=told["last_status"], reason=told["last_reason"]
    ) if told["last_at"] else None  # fmt: skip
    return schemas.ScheduleListedOut(**_members(schedule), last_fire=last)


def schedule_detail(schedule: Schedule) -> schemas.ScheduleOut:
    given = decode(schedule.input_codec, schedule.input)
    table = timetable(schedule.cron, schedule.time_zone)
    return schemas.ScheduleOut(
        **_members(schedule), input=given, next_times=_times(table, upcoming_of(schedule))
    )


def preview(table: Timetable, times: Sequence[datetime]) -> schemas.PreviewOut:
    return schemas.PreviewOut(description=table.explain(), times=_times(table, times))


def fire(row: ScheduleFire) -> schemas.FireOut:
    """Return what came of a time; `row` may bear `run_status`."""
    names = (
        "id",
        "fire_at",
        "fired_by",
        "status",
        "reason",
        "n_times",
        "first_at",
        "created_at",
        "settled_at",
    )
    status = row.__dict__.get("run_status") or (row.run.status if row.run else None)
    members = {name: getattr(row, name) for name in names}
    return schemas.FireOut(**members, run=row.run_id, run_status=RunStatus(status) if status else None)


def _times(table: Timetable, times: Sequence[datetime]) -> list[schemas.TimeOut]:
    return [
        schemas.TimeOut(at=at, local=at.astimezone(table.zone).isoformat(timespec="seconds")) for at in times
    ]


def _members(schedule: Schedule) -> dict[str, Any]:
    names = (
        "id", "title", "cron", "time_zone", "fire_at_property", "priority", "tags", "missed", "overlap", "next_at",
        "version", "created_by", "created_at", "updated_by", "updated_at",
    )  # fmt: skip
    return {name: getattr(schedule, name) for name in names} | {
        "url": f"/schedules/{schedule.id}",
        "agent": schedule.agent.slug,
        "agent_version": schedule.agent_version.number if schedule.agent_version else None,
        "description": timetable(schedule.cron, schedule.time_zone).explain(),
        "paused": schedule.is_paused,
        "defined_by": schedule.defined_by.slug if schedule.defined_by else None,
    }
