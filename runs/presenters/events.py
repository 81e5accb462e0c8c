"""Events, sources and triggers in words."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from runs.engine.sources import SourceKind
from runs.engine.states import RunStatus
from runs.models import Event, Source, Trigger, TriggerStart
from runs.presenters import text
from runs.presenters.event_forms import KINDS
from runs.presenters.status import RUN, Chip

MAX_SHOWN_CHARACTERS = 20_000
ACTIVE = Chip(_("Active"), "good", "check")
PAUSED = Chip(_("Paused"), "need", "pause")
TROUBLE = Chip(_("Trouble"), "bad", "warning", _("The last look failed; it is tried again"))
REFUSED = Chip(_("Active"), "need", "warning", _("A call was refused lately"))
TOLD = Chip(_("Told"), "good", "check", _("Every run that waited for it was told"))
TELLING = Chip(_("Being told"), "move", "moving", _("Runs that wait for it are being told"))
NOT_STARTED = Chip(_("Not started"), "bad", "cross")
GONE = Chip(_("Deleted"), "idle", "stop")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source: its kind in words, its state, and what is wrong."""

    source: Source
    chip: Chip
    kind: str | Promise
    meaning: str | Promise
    trouble: str
    is_called: bool


@dataclass(frozen=True, slots=True)
class StartRow:
    """What came of one event at one trigger."""

    start: TriggerStart
    chip: Chip
    title: str
    problem: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event, the beginning of its payload, and the runs that triggers started."""

    event: Event
    chip: Chip
    brief: str
    n_started: int


def source_row(source: Source) -> SourceRow:
    """Return a source in words."""
    kind = SourceKind(source.kind)
    label, meaning = KINDS[kind]
    chip = ACTIVE if not source.last_error else REFUSED if kind.is_called else TROUBLE
    return SourceRow(
        source, PAUSED if source.is_paused else chip, label, meaning, text.line(source.last_error, 500), kind.is_called
    )  # fmt: skip


def trigger_chip(trigger: Trigger) -> Chip:
    return PAUSED if trigger.is_paused else ACTIVE


def start_row(start: TriggerStart) -> StartRow:
    """Return what came of an event; the run may be gone."""
    chip = RUN[RunStatus(start.run.status)] if start.run else NOT_STARTED if start.problem else GONE
    title = text.line(start.run.title, 80) if start.run else ""
    return StartRow(start, chip, title, text.line(start.problem, 500))


def event_rows(events: Sequence[Event], starts: Sequence[TriggerStart]) -> list[EventRow]:
    """Return the events in words; `starts` are what came of them."""
    started: dict[UUID, int] = defaultdict(int)
    for start in starts:
        started[start.event_id] += start.run_id is not None
    return [EventRow(event, event_chip(event), _brief(event.payload), started[event.id]) for event in events]


def event_chip(event: Event) -> Chip:
    return TOLD if event.matched_at else TELLING


def pretty(value: Any) -> str:
    """Return a value as JSON to look at, cut where it is very long."""
    return text.shorten(json.dumps(value, indent=2, ensure_ascii=False), MAX_SHOWN_CHARACTERS)


def _brief(payload: Any) -> str:
    return text.line(json.dumps(payload, ensure_ascii=False), 160)
