"""What a schedule must fit before it is stored, when it is made and whenever it is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agentops.accounts.roles import Actor
from agentops.common.conf import conf
from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.codec import encode_capped
from runs.engine.schedules import Missed, Overlap
from runs.json_schema import check
from runs.selectors.agents import version_for
from runs.selectors.schedules import timetable_of, upcoming
from runs.services.checks import check_priority, check_tags, check_text, cleaned, misfit

MAX_TITLE_CHARACTERS = 200
MAX_PROPERTY_CHARACTERS = 100
FIRE_AT_POINTER = "/fire_at_property"


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """What a person says of a schedule; see create_schedule for each part."""

    cron: str
    input: Any
    time_zone: str = "UTC"
    title: str = ""
    agent_version: int | None = None
    fire_at_property: str = ""
    priority: int = 0
    tags: Sequence[str] = ()
    missed: str = Missed.ONCE
    overlap: str = Overlap.SKIP
    paused: bool = False


def columns_of(actor: Actor, agent: str, spec: ScheduleSpec) -> dict[str, Any]:
    """Return the columns for what `spec` says, `next_at` counted from now; null when it is paused.

    Raises: NotFoundError for the agent or its version; InvalidInputError with pointers; TooLargeError.
    """
    version = version_for(actor, agent, spec.agent_version)
    next_at, given = checked_schedule(spec, slug=version.agent.slug, input_schema=version.input_schema)
    encoded = encode_capped(given, max_bytes=conf().input_max_bytes, what="the input")
    return {
        "agent": version.agent,
        "agent_version": version if spec.agent_version is not None else None,
        "title": spec.title or version.agent.title,
        "cron": spec.cron.strip(),
        "time_zone": spec.time_zone,
        "input": encoded.body,
        "input_codec": encoded.codec,
        "fire_at_property": spec.fire_at_property,
        "priority": spec.priority,
        "tags": list(spec.tags),
        "missed": spec.missed,
        "overlap": spec.overlap,
        "is_paused": spec.paused,
        "next_at": None if spec.paused else next_at,
    }


def checked_schedule(spec: ScheduleSpec, *, slug: str, input_schema: JsonObject) -> tuple[datetime, JsonValue]:  # fmt: skip
    """Return the next time from now, and the input as plain JSON.

    Raises: InvalidInputError with pointers into the schedule, so that those of the input begin with /input.
    """
    _check_words(spec)
    table = timetable_of(spec.cron.strip(), spec.time_zone)
    [next_at] = upcoming(table, 1)
    what = f"the input of {slug}"
    try:
        given = cleaned(spec.input, what=what)
        whole = input_at(given, spec.fire_at_property, next_at, table.zone)
        check(whole, input_schema, what=what)
    except InvalidInputError as error:
        for place in error.data.get("errors", ()):
            is_inside = place["pointer"] != FIRE_AT_POINTER
            place["pointer"] = f"/input{place['pointer']}" if is_inside else FIRE_AT_POINTER
        raise
    return next_at, given


def input_at(given: JsonValue, name: str, fire_at: datetime, zone: ZoneInfo) -> JsonValue:
    """Return the input for one time: with that time as its property `name`, if there is one, in the schedule's zone.

    Raises: InvalidInputError when the input has no properties.
    """
    if not name:
        return given
    if not isinstance(given, dict):
        raise misfit(FIRE_AT_POINTER, "only an input that is an object can take the time")
    found: JsonObject = {**given, name: fire_at.astimezone(zone).isoformat(timespec="seconds")}
    return found


def _check_words(spec: ScheduleSpec) -> None:
    if spec.title:
        check_text("/title", spec.title, MAX_TITLE_CHARACTERS)
    if spec.fire_at_property:
        check_text(FIRE_AT_POINTER, spec.fire_at_property, MAX_PROPERTY_CHARACTERS)
    check_tags(spec.tags)
    check_priority(spec.priority)
    for pointer, word, known in (("/missed", spec.missed, Missed), ("/overlap", spec.overlap, Overlap)):
        if word not in set(known):
            raise misfit(pointer, f"must be one of {', '.join(known)}")
