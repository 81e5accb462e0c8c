"""Limits and pauses in words, and the forms that set them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.engine.limits import ANY, LimitScope
from runs.presenters import text
from runs.presenters.event_forms import PlainForm, form_of
from runs.presenters.limit_wire import limit_path
from runs.presenters.status import Chip
from runs.selectors.limits import LimitUse

FULL = Chip(gettext_lazy("Full"), "need", "queue", gettext_lazy("Who comes now waits for a place"))
ROOM = Chip(gettext_lazy("Room"), "good", "check", gettext_lazy("There are places left"))
SCOPES: dict[str, str | Promise] = {
    LimitScope.AGENT: gettext_lazy("Agent"),
    LimitScope.QUEUE: gettext_lazy("Queue"),
    LimitScope.KEY: gettext_lazy("Key"),
}
_NAMES: dict[str, tuple[str | Promise, str | Promise]] = {
    LimitScope.AGENT: (gettext_lazy("Which agent"), gettext_lazy("Its runs are counted in all queues.")),
    LimitScope.QUEUE: (gettext_lazy("Which queue"), gettext_lazy("The team's runs in it are counted, of whichever agents.")),
    LimitScope.KEY: (
        gettext_lazy("Which key"),
        gettext_lazy("The concurrency key of runs. With * at the end, each key that begins so is counted by itself."),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit in words; `places` is how many are taken, of how many."""

    use: LimitUse
    path: str
    chip: Chip
    scope: str | Promise
    name: str
    places: str
    waiting: str


def limit_row(use: LimitUse) -> LimitRow:
    """Return a limit in words."""
    limit = use.limit
    most = text.number(limit.max_running)
    is_each = limit.scope == LimitScope.KEY and limit.name.endswith(ANY)
    shape = _("%(n)s (%(most)s each)") if is_each else _("%(n)s of %(most)s")
    more = "+" if use.is_cut else ""
    return LimitRow(
        use, limit_path(limit), FULL if use.n_full else ROOM, SCOPES[limit.scope], text.line(limit.name, 100),
        shape % {"n": text.number(use.n_running), "most": most}, f"{text.number(use.n_waiting)}{more}",
    )  # fmt: skip


def limit_form(
    scope: str,
    agents: Sequence[str],
    posted: Mapping[str, Any] | None,
    given: Mapping[str, Any] | None = None,
) -> PlainForm:
    """Return the form of a new limit, as somebody filled it or with what is `given`."""
    title, hint = _NAMES[scope]
    name: dict[str, Any] = {"type": "string", "title": str(title), "description": str(hint)}
    if scope == LimitScope.AGENT:
        name["enum"] = list(agents)
    properties = {"name": name} | _max_running()
    schema = {"properties": properties, "required": ["name", "max_running"]}
    return form_of(schema, posted, dict(given) if given else None)


def number_form(posted: Mapping[str, Any] | None, max_running: int) -> PlainForm:
    """Return the form that changes how many a limit lets in."""
    schema = {"properties": _max_running(), "required": ["max_running"]}
    return form_of(schema, posted, {"max_running": max_running})


def _max_running() -> dict[str, Any]:
    told = _("So many of its runs are executed at once. Runs that sleep or wait do not count.")
    return {"max_running": {"type": "integer", "title": _("At most"), "description": told, "minimum": 1}}
