"""The band under a run's vitals: what there is to be said, in plain words, and what happens next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.engine.states import TERMINAL, RunStatus
from runs.models import Attempt, Run
from runs.presenters import holdups, text
from runs.presenters.errors import error_words
from runs.presenters.status import HEALTH, is_cancelling, is_pausing
from runs.selectors.console.stuck import noted_episodes
from runs.selectors.holdups import holdup_of
from runs.selectors.system import SystemStatus

S = RunStatus
_ASKED = ("unknown", "permission")


@dataclass(frozen=True, slots=True)
class Note:
    """One note: a headline, then the rest; `at` is a time behind `before`, and `seq` the step it is about.

    `state_seq` is the checkpoint whose state helps on. `is_waiting`: the tab Waits tells more; `is_asking`: it has the form.
    `is_held_up`: the page of limits tells more. `is_budget`: raising a budget helps. `stuck`: the fingerprint whose page tells more.
    """

    tone: str
    icon: str
    headline: str
    body: str = ""
    before: str = ""
    at: datetime | None = None
    seq: int | None = None
    state_seq: int | None = None
    is_waiting: bool = False
    is_asking: bool = False
    is_held_up: bool = False
    is_budget: bool = False
    stuck: str = ""


def notes_of(run: Run, system: SystemStatus, last_try: Attempt | None) -> list[Note]:
    """Return the notes of a run, the most pressing first; mostly there is none or one."""
    return [note for make in _MAKERS for note in make(run, system, last_try)]


def _integrity(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    if "integrity_failed" not in run.health:
        return
    told = run.waiting_on or {}
    last_good = told.get("last_good_seq")
    body = _("The chain of signatures does not hold, so the run was stopped and nothing more is built on it.")
    if isinstance(last_good, int):
        where = _("the input") if not last_good else _("step %(n)s") % {"n": text.number(last_good)}
        more = _("What fails: %(what)s. The last good checkpoint is %(where)s; a fork from there goes on with good data.") % {
            "what": text.line(str(told.get("text", "")).replace(f" of run {run.pk}", ""), 200), "where": where,
        }  # fmt: skip
        yield Note(
            "bad", "shield", _("Stored data is not what was written."), f"{body} {more}", state_seq=last_good
        )
    else:
        yield Note("bad", "shield", _("Stored data is not what was written."), body)


def _failed(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    if run.status != S.FAILED:
        return
    words = error_words(run.error or {})
    node = text.line((run.error or {}).get("node") or run.node, 80)
    headline = _("It failed at %(node)s: %(message)s") % {
        "node": node,
        "message": text.shorten(words.message, 300),
    }
    seq, tried = (run.error or {}).get("seq"), (run.error or {}).get("tried") or []
    body = f"{words.hint} {_tried(tried)}".strip()
    yield Note("bad", "cross", headline, body, seq=seq if isinstance(seq, int) else None)


def _tried(tried: Sequence[str]) -> str:
    """Return how far the recovery policy went."""
    if not tried:
        return ""
    last = text.line(str(tried[-1]).partition(", because ")[0], 160)
    told = ngettext(
        "Healing tried %(n)d rung: %(last)s.", "Healing tried %(n)d rungs, the last: %(last)s.", len(tried)
    )
    return told % {"n": len(tried), "last": last}


def _cancelled(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    who, why = text.line(run.ended_by, 80), text.line(run.end_reason, 300)
    if is_cancelling(run):
        headline = _("%(who)s asked to cancel it.") % {"who": who or _("Someone")}
        yield Note(
            "need", "stop", headline, _("The worker stops at its next commit; what is done stays recorded.")
        )
    elif run.status in (S.CANCELLED, S.EXPIRED) and (who or why):
        headline = _("Cancelled by %(who)s.") % {"who": who} if who else _("Cancelled.")
        yield Note("idle", "stop", headline, why)


def left_unknown(seq: int) -> Note:
    """Return the note about a write that was in flight when somebody ended the run."""
    body = _("Whether it happened is nowhere recorded. Look in the system that it writes to.")
    return Note("need", "warning", _("A write was in flight when the run was ended."), body, seq=seq)


def _paused(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    who = text.line(run.ended_by, 80)
    if is_pausing(run):
        headline = _("%(who)s asked to pause it.") % {"who": who or _("Someone")}
        yield Note("need", "pause", headline, _("The worker stops at its next commit; its place is kept."))
    elif run.status == S.PAUSED and "integrity_failed" not in run.health:
        kind = (run.waiting_on or {}).get("kind")
        is_changed, is_budget = kind == "program_changed", kind == "budget"
        told = (run.waiting_on or {}).get("text") if is_changed or is_budget else ""
        why = text.line(told or run.end_reason, 400)
        headline = _("Paused by %(who)s.") % {"who": who} if who else _("It is paused.")
        headline = _("Its program changed, so it is paused.") if is_changed else headline
        headline = _("A budget does not let it go on, so it is paused.") if is_budget else headline
        body = f"{why[:1].upper()}{why[1:]}." if is_budget else why
        yield Note("need", "pause", headline, body or _("Its state is kept."), is_budget=is_budget)


def _sleeping(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    if run.status != S.SLEEPING:
        return
    node = text.line(run.node, 80)
    if (run.waiting_on or {}).get("kind") == "retry":
        told = _("An attempt at %(node)s failed.") % {"node": node}
        why = text.line(last_try.message if last_try else (run.waiting_on or {}).get("text", ""), 300).rstrip(
            "."
        )
        yield Note("need", "retry", told, f"{why}.", _("The next attempt is due at"), run.wake_at)
    elif (run.waiting_on or {}).get("kind") == "heal":
        told = _("%(node)s failed; it heals itself.") % {"node": node}
        why = text.line((run.waiting_on or {}).get("text", ""), 300).rstrip(".")
        yield Note("need", "retry", told, f"{why}.", _("It goes on at"), run.wake_at)
    else:
        body = _("Nothing runs meanwhile; the run is a row in the database.")
        yield Note(
            "wait",
            "wait",
            _("It sleeps, then goes on at %(node)s.") % {"node": node},
            body,
            _("It is due at"),
            run.wake_at,
        )
    if not system.is_clock_on_time:
        yield Note(
            "bad",
            "warning",
            _("The clock is late, so it will not wake in time."),
            _("Start it: manage.py clock"),
        )


def _waiting(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    if run.status in (S.WAITING, S.AWAITING_APPROVAL) and (run.waiting_on or {}).get("kind") not in _ASKED:
        told = text.line((run.waiting_on or {}).get("text", ""), 300)
        is_asking = (run.waiting_on or {}).get("kind") == "person"
        yield Note(
            "need" if is_asking else "wait",
            "approval" if is_asking else "wait",
            (_("It asks: %(what)s") if is_asking else _("It waits for: %(what)s")) % {"what": told}
            if told
            else _("It waits."),
            _("Nothing runs meanwhile; the run is a row in the database."),
            _("Its time is over"),
            run.wake_at,
            is_waiting=not is_asking,
            is_asking=is_asking,
        )


def _held_up(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    held = holdup_of(run)
    if held is not None:
        icon = "queue" if held.kind == "limit" else "pause"
        yield Note(
            "wait" if held.kind == "limit" else "need", icon, holdups.headline(held), holdups.body(held),
            "" if held.at is None else _("Since"), held.at, is_held_up=True,
        )  # fmt: skip


def _no_worker(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    queue = {"queue": text.line(run.queue, 80)}
    alive = {worker.pk for worker in system.workers}
    if run.status == S.QUEUED and not any(run.queue in _queues(worker.queues) for worker in system.workers):
        body = _("Start one: celery -A agentops worker -Q %(queue)s") % queue
        yield Note("need", "warning", _("No worker serves the queue “%(queue)s”.") % queue, body)
    if run.status == S.RUNNING and run.worker_id not in alive:
        body = _("Another takes over from the last commit as soon as it counts as dead.")
        yield Note("need", "warning", _("The worker that holds it is silent."), body)


def _queues(queues: object) -> Sequence[str]:
    return queues if isinstance(queues, list) else []


def is_over(run: Run) -> bool:
    return RunStatus(run.status) in TERMINAL


def _stuck(run: Run, system: SystemStatus, last_try: Attempt | None) -> Iterator[Note]:
    for episode in noted_episodes(run):
        chip = HEALTH[episode.reason]
        where = _("%(what)s at %(node)s") % {"what": chip.label, "node": text.line(episode.node, 80)}
        yield Note(
            "need", chip.icon, where if episode.node else str(chip.label), f"{text.line(episode.text, 300)}.", before=_("Since"),
            at=episode.from_at, seq=episode.from_seq or None, stuck=episode.fingerprint,
        )  # fmt: skip


_MAKERS = (_integrity, _failed, _stuck, _cancelled, _paused, _held_up, _no_worker, _sleeping, _waiting)
