"""The form of a schedule, and the schedule made from what was posted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonObject
from runs.engine.schedules import Missed, Overlap
from runs.presenters import text
from runs.presenters.schema_form import Field, blank_form, document, filled_form, place_errors
from runs.services.schedule_columns import ScheduleSpec

PLAIN = (
    "title",
    "cron",
    "time_zone",
    "missed",
    "overlap",
    "agent_version",
    "fire_at_property",
    "priority",
    "tags",
)
COMMON = ("0 9 * * 1-5", "0 * * * *", "*/15 * * * *", "0 2 * * *", "0 9 * * 1", "0 6 1 * *", "0 18 L * *")


@dataclass(slots=True)
class ScheduleForm:
    """What stands in the form: the plain values by name, the fields of the agent's input, and what does not fit.

    `problems` are by name; `told` belongs to no field.
    """

    values: dict[str, str]
    fields: list[Field]
    is_paused: bool = False
    problems: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def n_errors(self) -> int:
        return len(self.problems) + sum(bool(one.error) for one in self.fields)

    @property
    def is_more_open(self) -> bool:
        """Whether the rarer settings hold something that should be seen."""
        rare = ("agent_version", "fire_at_property", "tags")
        is_set = any(self.values[name] for name in rare) or self.values["priority"] not in ("", "0")
        return is_set or self.is_paused or bool({*rare, "priority"} & set(self.problems))

    def spec(self) -> ScheduleSpec | None:
        """Return the schedule that the form describes; None when something cannot be read, and is marked."""
        given = document(self.fields)
        version, priority = self._number("agent_version"), self._number("priority")
        if given is None or self.problems:
            return None
        values = self.values
        return ScheduleSpec(
            cron=values["cron"], input=given, time_zone=values["time_zone"], title=values["title"], agent_version=version,
            fire_at_property=values["fire_at_property"], priority=priority or 0, tags=_words(values["tags"]),
            missed=values["missed"], overlap=values["overlap"], paused=self.is_paused,
        )  # fmt: skip

    def refuse(self, error: InvalidInputError) -> None:
        """Put each part of the error where it belongs."""
        inside = []
        for place in error.data.get("errors", ()):
            name, _slash, rest = place["pointer"].removeprefix("/").partition("/")
            if name == "input":
                inside.append({"pointer": f"/{rest}" if rest else "", "message": place["message"]})
            elif name in PLAIN:
                self.problems.setdefault(name, _sentence(place))
            else:
                self.told.append(text.visible(place["message"]))
        self.told += place_errors(self.fields, inside)
        if not self.n_errors and not self.told:
            self.told.append(error.detail)

    def _number(self, name: str) -> int | None:
        value = self.values[name]
        try:
            return int(value[:9]) if value else None
        except ValueError:
            self.problems[name] = _("This must be a whole number.")
            return None


def new_form(
    schema: JsonObject, given: Any, order: Sequence[str], *, cron: str, time_zone: str
) -> ScheduleForm:
    """Return an empty form, its input filled with `given` (that of an earlier run) or with the schema's defaults."""
    values = dict.fromkeys(PLAIN, "") | {"missed": Missed.ONCE, "overlap": Overlap.SKIP, "priority": "0"}
    return ScheduleForm(values | {"cron": cron, "time_zone": time_zone}, blank_form(schema, given, order))


def form_of(spec: ScheduleSpec, schema: JsonObject, order: Sequence[str]) -> ScheduleForm:
    """Return the form of a schedule as it stands."""
    values = {name: str(getattr(spec, name) if getattr(spec, name) is not None else "") for name in PLAIN}
    given = spec.input if isinstance(spec.input, dict) else None
    fields = _loosened(blank_form(schema, given, order), spec.fire_at_property)
    return ScheduleForm(values | {"tags": ", ".join(spec.tags)}, fields, spec.paused)


def posted_form(schema: JsonObject, posted: Mapping[str, str], order: Sequence[str]) -> ScheduleForm:
    """Return the form as somebody filled it."""
    values = {name: posted.get(name, "").strip() for name in PLAIN}
    fields = _loosened(filled_form(schema, posted, order), values["fire_at_property"])
    return ScheduleForm(values, fields, bool(posted.get("paused")))


def _loosened(fields: list[Field], fire_at_property: str) -> list[Field]:
    """Let the field that gets the time be empty."""
    for one in fields:
        one.is_required = one.is_required and one.name != fire_at_property
    return fields


def _words(tags: str) -> list[str]:
    return [word.strip() for word in tags.split(",") if word.strip()]


def _sentence(place: Mapping[str, Any]) -> str:
    message = text.visible(place["message"])
    if "position" in place:
        return _("At character %(n)d: %(what)s") % {"n": place["position"] + 1, "what": message}
    return message[:1].upper() + message[1:]
