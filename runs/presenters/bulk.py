"""Bulk jobs in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from runs.models import BulkJob
from runs.presenters import text
from runs.presenters.run_list import Meter
from runs.presenters.status import Chip, Words
from runs.presenters.verbs import VERBS, Verb

BULK: dict[str, Verb] = {name: VERBS[name] for name in ("pause", "resume", "cancel", "kill", "retry")}
_STATES: dict[str, Chip] = {
    "working": Chip(gettext_lazy("Working"), "move", "moving"),
    "done": Chip(gettext_lazy("Done"), "good", "check"),
    "stopped": Chip(gettext_lazy("Stopped"), "idle", "stop"),
    "failed": Chip(gettext_lazy("Failed"), "bad", "cross"),
}
_DONE: dict[str, Words] = {
    "pause": gettext_lazy("paused"), "resume": gettext_lazy("resumed"), "cancel": gettext_lazy("cancelled"),
    "kill": gettext_lazy("killed"), "retry": gettext_lazy("retried"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobWords:
    """A job with its chip, a sentence on how far it is, and a bar where the end is known."""

    job: BulkJob
    label: str
    chip: Chip
    is_open: bool
    sentence: str
    which: str
    meter: Meter | None


def job_words(job: BulkJob) -> JobWords:
    label = str(BULK[job.verb].label).rstrip("…")
    n_seen = job.n_done + job.n_refused
    words = [f"{job.n_done:,} {_DONE[job.verb]}"]
    if job.n_refused:
        words.append(_("%(n)s refused") % {"n": f"{job.n_refused:,}"})
    if job.expected is not None and job.state == "working":
        words.append(_("%(n)s to go") % {"n": f"{max(0, job.expected - n_seen):,}"})
    return JobWords(
        job,
        label,
        _STATES[job.state],
        job.state == "working",
        " · ".join(words),
        _which(job),
        _meter(job, n_seen),
    )


def _which(job: BulkJob) -> str:
    if job.run_ids is not None:
        n = len(job.run_ids)
        return ngettext("%(n)s selected run", "%(n)s selected runs", n) % {"n": f"{n:,}"}
    return text.line(job.query, 200) or _("all runs")


def _meter(job: BulkJob, n_seen: int) -> Meter | None:
    if job.state == "done":
        return Meter(100, "good", _("Done"))
    if not job.expected:
        return None
    percent = min(100.0, 100 * n_seen / job.expected)
    words = _("%(done)s of %(total)s") % {"done": f"{n_seen:,}", "total": f"{job.expected:,}"}
    return Meter(round(percent, 1), _STATES[job.state].tone, words)
