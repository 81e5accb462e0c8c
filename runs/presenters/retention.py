"""How long runs are kept, in words: policies, what is due tonight, the work on it, holds, archives."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from runs.archives.reading import Archived
from runs.engine.retention import ENDS, Act, HoldKind, JobState
from runs.engine.states import RunStatus
from runs.models import RetentionJob, RetentionPolicy, RunHold
from runs.presenters import text, times
from runs.presenters.event_forms import PlainForm, form_of
from runs.presenters.run_list import Meter
from runs.presenters.status import RUN, STEP, Chip
from runs.selectors.retention import DueSum

MAX_SHOWN_CHARACTERS = 200_000

HOLDS: dict[str, Chip] = {
    HoldKind.LEGAL: Chip(gettext_lazy("Legal hold"), "need", "shield", gettext_lazy("Neither archived, deleted nor pruned until it is lifted")),
    HoldKind.PIN: Chip(gettext_lazy("Pinned"), "wait", "star", gettext_lazy("Kept whole whatever a policy says")),
    HoldKind.RESTORED: Chip(gettext_lazy("Restored"), "idle", "rewind", gettext_lazy("Kept whole for some days")),
}  # fmt: skip
STATES: dict[str, Chip] = {
    JobState.WORKING: Chip(gettext_lazy("At work"), "move", "moving"),
    JobState.DONE: Chip(gettext_lazy("Done"), "good", "check"),
    JobState.STOPPED: Chip(gettext_lazy("Stopped"), "idle", "stop"),
    JobState.FAILED: Chip(gettext_lazy("Failed"), "bad", "cross"),
}
ACTS: dict[Act, tuple[str | Promise, str]] = {
    Act.ARCHIVE: (gettext_lazy("archive"), "document"),
    Act.DELETE: (gettext_lazy("delete"), "cross"),
    Act.PRUNE: (gettext_lazy("prune"), "minus"),
}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy in words."""

    policy: RetentionPolicy
    whose: str
    what: str
    chip: Chip


@dataclass(frozen=True, slots=True)
class DueRow:
    """What one policy would do tonight, in words."""

    icon: str
    act: str | Promise
    n_runs: str
    size: str
    kept: str
    unmeasured: str


@dataclass(frozen=True, slots=True)
class JobWords:
    """A work of retention in words."""

    job: RetentionJob
    chip: Chip
    title: str
    sentence: str
    meter: Meter | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of an archived run."""

    seq: int
    depth: int
    name: str
    kind: str
    chip: Chip
    summary: str
    took: str
    spent: str


def policy_row(policy: RetentionPolicy) -> PolicyRow:
    chip = Chip(_("On"), "good", "check") if policy.is_on else Chip(_("Off"), "idle", "pause")
    return PolicyRow(policy, whose(policy), what(policy), chip)


def whose(policy: RetentionPolicy) -> str:
    """Return whose runs a policy is for."""
    ended = RUN[RunStatus(policy.status)].label if policy.status else ""
    if policy.agent and ended:
        return _("%(status)s runs of %(agent)s") % {"status": ended, "agent": policy.agent.slug}
    if policy.agent:
        return _("All runs of %(agent)s") % {"agent": policy.agent.slug}
    return _("%(status)s runs") % {"status": ended} if ended else _("All runs")


def what(policy: RetentionPolicy) -> str:
    """Return what becomes of them, as a sentence without its end."""
    parts = []
    if policy.archive_days:
        parts.append(_("archived after %(days)s") % {"days": _days(policy.archive_days)})
    if policy.delete_days:
        parts.append(_("deleted after %(days)s") % {"days": _days(policy.delete_days)})
    if policy.keeps_files:
        parts.append(_("archives stay"))
    if policy.prune_days:
        parts.append(_("steps pruned after %(days)s") % {"days": _days(policy.prune_days)})
    return ", ".join(parts) or _("kept whole for good")


def due_row(due: DueSum) -> DueRow:
    act, icon = ACTS[due.act]
    size = text.size(due.row_bytes) if due.row_bytes or not due.file_bytes else ""
    if due.file_bytes:
        size = _("%(size)s of archives") % {"size": text.size(due.file_bytes)}
    runs = ngettext("%(n)s run", "%(n)s runs", due.n_runs) % {"n": text.number(due.n_runs)}
    kept = ngettext(
        "%(n)s more is due and stays: something needs it",
        "%(n)s more are due and stay: something needs them",
        due.n_kept,
    )
    kept = kept % {"n": text.number(due.n_kept)} if due.n_kept else ""
    late = (
        _("%(n)s of them are not measured yet") % {"n": text.number(due.n_unmeasured)}
        if due.n_unmeasured
        else ""
    )
    return DueRow(icon, act, runs, size, kept, late)


def job_words(job: RetentionJob) -> JobWords:
    done = job.n_archived + job.n_deleted
    told = _("%(archived)s archived, %(deleted)s deleted, %(pruned)s pruned; %(freed)s freed, %(files)s of archives written") % {
        "archived": text.number(job.n_archived), "deleted": text.number(job.n_deleted), "pruned": text.number(job.n_pruned),
        "freed": text.size(job.freed_bytes), "files": text.size(job.file_bytes),
    }  # fmt: skip
    if job.n_kept:
        told += "; " + _("%(n)s stayed because something needs them") % {"n": text.number(job.n_kept)}
    if job.n_failed:
        told += "; " + _("%(n)s could not be") % {"n": text.number(job.n_failed)}
    is_open, meter = job.state == JobState.WORKING, None
    if job.expected_runs:
        percent = 100.0 if job.state == JobState.DONE else min(100.0, 100 * done / job.expected_runs)
        words = _("%(done)s of %(all)s runs") % {
            "done": text.number(done),
            "all": text.number(job.expected_runs),
        }
        meter = Meter(round(percent, 1), STATES[job.state].tone, words)
    title = _("Night of %(day)s") % {"day": job.night.isoformat()} if job.night else _("By day")
    return JobWords(job, STATES[job.state], title, told + ".", meter, is_open)


def hold_chips(holds: Sequence[RunHold]) -> list[Chip]:
    return [HOLDS[hold.kind] for hold in holds]


def policy_form(
    agents: Sequence[str], posted: Mapping[str, Any] | None, given: Mapping[str, Any] | None, *, is_new: bool
) -> PlainForm:
    """Return the form of a policy; of one that stands, whose runs it is for cannot be changed."""
    whose_runs: dict[str, Any] = {
        "agent": {"type": "string", "title": _("Agent"), "description": _("Empty: all agents."), "enum": ["", *agents]},
        "status": {"type": "string", "title": _("How they ended"), "description": _("Empty: however they ended."), "enum": ["", *ENDS]},
    }  # fmt: skip
    days = {"type": "integer", "minimum": 1}
    settings: dict[str, Any] = {
        "archive_days": {**days, "title": _("Archive after days"), "description": _("Counted from the end of the run. Until then it is kept whole. Empty: never.")},
        "delete_days": {**days, "title": _("Delete after days"), "description": _("The run is gone then, with its archive. Empty: never.")},
        "keeps_files": {"type": "boolean", "title": _("Keep the archives of deleted runs"), "description": _("They can be restored from there.")},
        "prune_days": {**days, "title": _("Prune steps after days"), "description": _("Of runs that are kept whole, open ones too: older steps go, and a signed snapshot takes their place. Empty: never.")},
        "is_on": {"type": "boolean", "title": _("In force"), "description": _("While it is off, these runs are kept.")},
    }  # fmt: skip
    return form_of(
        {"properties": (whose_runs if is_new else {}) | settings}, posted, dict(given) if given else None
    )


def settings_of(policy: RetentionPolicy) -> dict[str, Any]:
    """Return what the form of a policy is filled with."""
    names = ("archive_days", "delete_days", "keeps_files", "prune_days", "is_on")
    return {name: value for name in names if (value := getattr(policy, name)) is not None}


def step_rows(archived: Archived, *, after: int, limit: int) -> list[StepRow]:
    """Return the steps behind `after`, in the order they began."""
    found = [row for row in archived.rows["runs_step"] if row["seq"] > after][:limit]
    return [
        StepRow(
            row["seq"], row["depth"], text.line(row["name"], 120), row["kind"],
            STEP.get(row["status"], Chip(row["status"], "idle", "queue")), text.line(row["summary"], 200), _took(row),
            text.money(row["cost_microusd"]) if row["cost_microusd"] else "",
        )
        for row in found
    ]  # fmt: skip


def shown(value: Any) -> str:
    """Return a value as people read it, cut where it is long."""
    written = text.visible(json.dumps(value, ensure_ascii=False, indent=2))
    if len(written) <= MAX_SHOWN_CHARACTERS:
        return written
    left_out = text.number(len(written) - MAX_SHOWN_CHARACTERS)
    return written[:MAX_SHOWN_CHARACTERS] + _("… and %(n)s characters more; restore the run to see all") % {
        "n": left_out
    }


def _days(days: int) -> str:
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": text.number(days)}


def _took(row: Mapping[str, Any]) -> str:
    if not row["ended_at"]:
        return ""
    began, ended = (datetime.fromisoformat(row[name]) for name in ("started_at", "ended_at"))
    return times.duration((ended - began).total_seconds())
