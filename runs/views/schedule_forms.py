"""The forms that make and change a schedule; they show the next times while one types."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import (
    AgentOpsError,
    ConflictError,
    IdempotencyConflictError,
    InvalidInputError,
    NotFoundError,
)
from agentops.common.ids import new_token
from runs.models import AgentVersion, Schedule
from runs.presenters import text
from runs.presenters.schedule_form import COMMON, ScheduleForm, form_of, new_form, posted_form
from runs.presenters.schedules import MISSED, OVERLAP, TimeWords, time_words
from runs.presenters.schema_form import property_order
from runs.programs import programs
from runs.selectors.agents import version_for, versions_for
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.console.run import input_for
from runs.selectors.schedules import database_now, schedule_for, timetable_of, upcoming
from runs.services.create_schedule import create_schedule
from runs.services.update_schedule import spec_of, update_schedule
from runs.timetable import timetable, zone_names
from runs.views.base import respond, room

_TIMES = {"times": "times"}
START = "0 9 * * 1-5"


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of an agent, filled from `from` (a run) where given; POST makes one schedule, however often."""
    actor.require(Scope.RUN)
    asked = request.POST if request.method == "POST" else request.GET
    version = _chosen(actor, str(asked.get("agent", "")))
    if version is None:
        return respond(request, "runs/schedule_form.html", {})
    schema, order = version.input_schema, _order(version)
    if request.method == "GET":
        zone = str(asked.get("time_zone") or timezone.get_current_timezone_name())
        form = new_form(
            schema, _earlier(request, actor), order, cron=str(asked.get("cron", START)), time_zone=zone
        )
        return _shown(request, actor, version, form, key=str(new_token()))
    form, key = posted_form(schema, request.POST.dict(), order), request.POST.get("idempotency_key", "")
    spec = form.spec() if request.POST.get("do") != "preview" else None
    if spec is None:
        return _shown(request, actor, version, form, key=key)
    try:
        schedule, _is_new = create_schedule(
            actor=actor, agent=version.agent.slug, spec=spec, idempotency_key=key or str(new_token())
        )
    except AgentOpsError as error:
        return _refused(request, actor, version, form, error, key=key)
    return redirect("runs:schedule", schedule.id)


@require_http_methods(["GET", "POST"])
@room
def edit(request: HttpRequest, actor: Actor, schedule_id: UUID) -> HttpResponse:
    """GET shows the form of a schedule, POST changes it, unless somebody else has meanwhile."""
    actor.require(Scope.RUN)
    schedule = schedule_for(actor, schedule_id)
    spec = spec_of(schedule)
    version = version_for(actor, schedule.agent.slug, spec.agent_version)
    schema, order = version.input_schema, _order(version)
    if request.method == "GET":
        form = form_of(spec, schema, order)
        form.values |= {name: str(request.GET[name]) for name in ("cron", "time_zone") if name in request.GET}
        return _shown(request, actor, version, form, schedule=schedule, seen=schedule.version)
    form, seen = posted_form(schema, request.POST.dict(), order), _number(request.POST.get("version", ""))
    wanted = form.spec() if request.POST.get("do") != "preview" else None
    if wanted is None:
        return _shown(request, actor, version, form, schedule=schedule, seen=seen)
    changes = {name: getattr(wanted, name) for name in wanted.__slots__}
    try:
        update_schedule(actor=actor, schedule_id=schedule_id, changes=changes, version=seen)
    except AgentOpsError as error:
        return _refused(request, actor, version, form, error, schedule=schedule, seen=seen)
    return redirect("runs:schedule", schedule_id)


def _chosen(actor: Actor, slug: str) -> AgentVersion | None:
    if slug:
        return version_for(actor, slug)
    first = next((card.agent.slug for card in agents_with_counts(actor) if card.published), None)
    return version_for(actor, first) if first else None


def _order(version: AgentVersion) -> list[str]:
    """Return the order in which the agent's author wrote the properties, where the code is installed here."""
    known = programs().get((version.program, version.program_version))
    return property_order(known.input_schema) if known else []


def _earlier(request: HttpRequest, actor: Actor) -> Any:
    try:
        given = input_for(actor, UUID(request.GET.get("from", "")))
    except (ValueError, NotFoundError):
        return None
    return given if isinstance(given, dict) else None


def _number(given: str) -> int:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1


def _refused(
    request: HttpRequest, actor: Actor, version: AgentVersion, form: ScheduleForm, error: AgentOpsError, **more: Any
) -> HttpResponse:  # fmt: skip
    """Show the form again with what was wrong; a form that made a schedule already leads there."""
    if isinstance(error, InvalidInputError):
        form.refuse(error)
    elif isinstance(error, IdempotencyConflictError):
        more |= {"earlier": error.data["schedule_id"], "key": str(new_token())}
    elif isinstance(error, ConflictError):
        form.told.append(
            _("%(what)s, or save again to put what stands here in its place.") % {"what": error.detail}
        )
        more["seen"] = error.data["version"]
    else:
        form.told.append(error.detail)
    return _shown(
        request, actor, version, form, status=409 if isinstance(error, ConflictError) else 422, **more
    )


def _shown(
    request: HttpRequest, actor: Actor, version: AgentVersion, form: ScheduleForm, *,
    schedule: Schedule | None = None, status: int = 0, **more: Any,
) -> HttpResponse:  # fmt: skip
    times, words = _times(form)
    context = {
        "version": version,
        "versions": [one for one in versions_for(actor, version.agent.slug) if one.published_at],
        "agents": [] if schedule else [card.agent for card in agents_with_counts(actor) if card.published],
        "schedule": schedule,
        "form": form,
        "missed": MISSED,
        "overlap": OVERLAP,
        "zones": sorted(zone_names()),
        "common": [(cron, timetable(cron, "UTC").explain()) for cron in COMMON],
        "times": times,
        "words": words,
        "is_asking": request.method == "POST",
        **more,
    }
    status = status or (422 if form.n_errors and request.method == "POST" else 200)
    return respond(request, "runs/schedule_form.html", context, regions=_TIMES, status=status)


def _times(form: ScheduleForm) -> tuple[list[TimeWords], str]:
    """Return the next times of what stands in the form, and the expression in words; marks what does not fit."""
    try:
        table = timetable_of(form.values["cron"], form.values["time_zone"])
    except InvalidInputError as error:
        form.refuse(error)
        return [], ""
    now = database_now()
    return time_words(table, upcoming(table, after=now), now), text.line(table.explain(), 200)
