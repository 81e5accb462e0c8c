"""The state of the installation in one line."""

from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from runs.presenters import times
from runs.selectors.system import SystemStatus


@dataclass(frozen=True, slots=True)
class SystemWords:
    text: str
    is_late: bool


def system_words(status: SystemStatus) -> SystemWords:
    """Return `Clock on time · 2 workers`, or what is late or missing."""
    is_late = not status.is_clock_on_time or not status.workers
    return SystemWords(f"{_clock(status)} · {_workers(len(status.workers))}", is_late)


def _clock(status: SystemStatus) -> str:
    if status.clock_age_seconds is None:
        return gettext("Clock not started")
    if not status.is_clock_on_time:
        return gettext("Clock late by %(age)s") % {"age": times.age(status.clock_age_seconds)}
    return gettext("Clock on time")


def _workers(n_workers: int) -> str:
    if not n_workers:
        return gettext("no worker alive")
    return ngettext("%(n)d worker", "%(n)d workers", n_workers) % {"n": n_workers}
