"""Schedules: the list, the page of one with its history, and what people do to it."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError
from agentops.common.ids import new_token
from runs.engine.schedules import FireStatus
from runs.models import Schedule
from runs.presenters import text
from runs.presenters.schedules import (
    MISSED,
    OVERLAP,
    chip_of,
    fire_row,
    outcome_words,
    rule_of,
    schedule_row,
    time_words,
)
from runs.selectors.schedules import fires_for, schedule_for, schedules_for, upcoming_of
from runs.services.delete_schedule import delete_schedule
from runs.services.fire_schedule import fire_schedule
from runs.services.update_schedule import spec_of, update_schedule
from runs.timetable import timetable
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_FIRES = 20
SHOWN_INPUT_CHARACTERS = 20_000


@room
def schedule_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The schedules of the team, the newest first."""
    get = request.GET
    page = schedules_for(actor, agent=get.get("agent", ""), cursor=get.get("cursor", ""), limit=PAGE_ROWS)
    context = {
        "rows": [schedule_row(schedule) for schedule in page.items],
        "older": page.next_cursor,
        "is_first": not get.get("cursor"),
        "agent": get.get("agent", ""),
        "can_run": actor.can(Scope.RUN),
    }
    return respond(request, "runs/schedules.html", context)


@room
def schedule_page(request: HttpRequest, actor: Actor, schedule_id: UUID) -> HttpResponse:
    """One schedule: what it does, when it fires next, and what came of the times that have been."""
    cursor = request.GET.get("cursor", "")
    schedule = schedule_for(actor, schedule_id)
    page = fires_for(actor, schedule_id, cursor=cursor, limit=SHOWN_FIRES)
    context = {
        **_told(schedule),
        "fires": [fire_row(fire) for fire in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "can_run": actor.can(Scope.RUN),
        "key": new_token(),
    }
    return respond(request, "runs/schedule.html", context, regions={"schedule": "schedule"})


def _told(schedule: Schedule) -> dict[str, Any]:
    spec, table = spec_of(schedule), timetable(schedule.cron, schedule.time_zone)
    now = schedule.__dict__["now_at"]
    return {
        "schedule": schedule,
        "now": now,
        "chip": chip_of(schedule),
        "words": table.explain(),
        "times": time_words(table, upcoming_of(schedule), now),
        "missed": rule_of(MISSED, schedule.missed),
        "overlap": rule_of(OVERLAP, schedule.overlap),
        "input": text.shorten(json.dumps(spec.input, indent=2, ensure_ascii=False), SHOWN_INPUT_CHARACTERS),
    }


@require_POST
@room
def fire(request: HttpRequest, actor: Actor, schedule_id: UUID) -> HttpResponse:
    """Fire a schedule once, however often the button was pressed, and say what came of it."""
    key = request.POST.get("idempotency_key", "")[:200] or None
    found, _is_new = fire_schedule(actor=actor, schedule_id=schedule_id, idempotency_key=key)
    tell = messages.error if found.status == FireStatus.FAILED else messages.info
    tell(request, outcome_words(found))
    return redirect("runs:schedule", schedule_id)


@require_POST
@room
def pause(request: HttpRequest, actor: Actor, schedule_id: UUID, *, is_paused: bool) -> HttpResponse:
    """Pause a schedule, or let it go on."""
    update_schedule(actor=actor, schedule_id=schedule_id, changes={"paused": is_paused})
    return redirect("runs:schedule", schedule_id)


@require_http_methods(["GET", "POST"])
@room
def delete(request: HttpRequest, actor: Actor, schedule_id: UUID) -> HttpResponse:
    """GET asks, POST deletes; a schedule that was changed meanwhile is shown once more."""
    actor.require(Scope.RUN)
    schedule = schedule_for(actor, schedule_id)
    if request.method == "GET":
        return respond(request, "runs/schedule_delete.html", {"schedule": schedule})
    try:
        delete_schedule(actor=actor, schedule_id=schedule_id, version=_version(request))
    except ConflictError as error:
        return respond(
            request, "runs/schedule_delete.html", {"schedule": schedule, "told": error.detail}, status=409
        )
    messages.info(
        request, _("The schedule “%(title)s” is deleted.") % {"title": text.line(schedule.title, 80)}
    )
    return redirect("runs:schedules")


def _version(request: HttpRequest) -> int:
    """Return the version that the form was made of; what is no number is nobody's."""
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
