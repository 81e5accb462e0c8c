"""Words, tones and icons of statuses, health flags and kinds: always all three, never colour alone."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from runs.engine.states import RunStatus
from runs.models import Run

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Chip:
    """A word with a tone (idle, move, wait, need, bad, good) and an icon; `title` says more on hover."""

    label: Words
    tone: str
    icon: str
    title: Words = ""


RUN: dict[RunStatus, Chip] = {
    RunStatus.QUEUED: Chip(_("Queued"), "idle", "queue"),
    RunStatus.RUNNING: Chip(_("Running"), "move", "moving"),
    RunStatus.SLEEPING: Chip(_("Sleeping"), "wait", "wait"),
    RunStatus.WAITING: Chip(_("Waiting"), "wait", "wait"),
    RunStatus.AWAITING_APPROVAL: Chip(_("Awaiting approval"), "need", "person"),
    RunStatus.PAUSED: Chip(_("Paused"), "need", "pause"),
    RunStatus.SUCCEEDED: Chip(_("Succeeded"), "good", "check"),
    RunStatus.FAILED: Chip(_("Failed"), "bad", "cross"),
    RunStatus.CANCELLED: Chip(_("Cancelled"), "idle", "stop"),
    RunStatus.EXPIRED: Chip(_("Expired"), "idle", "expired"),
}
PAUSING = Chip(_("Pausing"), "need", "pause", _("It stops at its next commit"))
CANCELLING = Chip(_("Cancelling"), "idle", "stop", _("It ends at its next commit"))
ARCHIVED = Chip(_("Archived"), "idle", "document", _("Its rows stand in a file; it can be read and restored"))

HEALTH: dict[str, Chip] = {
    "retrying": Chip(_("Retrying"), "need", "retry", _("An attempt failed and another is due")),
    "stuck": Chip(_("Stuck"), "need", "warning", _("The same failure or result again and again")),
    "stalled": Chip(_("Stalled"), "need", "warning", _("A worker holds it, but nothing new has come")),
    "looping": Chip(_("Looping"), "need", "retry", _("The same calls with the same results")),
    "zombie": Chip(_("Zombie"), "bad", "warning", _("Its worker died")),
    "forgotten": Chip(_("Forgotten"), "need", "warning", _("Nobody looked at it for days")),
    "orphan": Chip(_("Orphan"), "bad", "warning", _("It waits for what cannot come")),
    "over_budget": Chip(_("Over budget"), "need", "warning"),
    "burning": Chip(_("Burning"), "need", "warning", _("It spends much faster than usual")),
    "overdue": Chip(_("Overdue"), "need", "wait", _("Its deadline has passed")),
    "no_worker": Chip(_("No worker"), "need", "warning", _("No worker serves its queue")),
    "runaway": Chip(_("Runaway"), "bad", "branch", _("The agent starts itself without end")),
    "integrity_failed": Chip(
        _("Integrity failed"), "bad", "shield", _("Stored data is not what was written")
    ),
}

STEP: dict[str, Chip] = {
    "succeeded": Chip(_("Succeeded"), "good", "check"),
    "failed": Chip(_("Failed"), "bad", "cross"),
    "running": Chip(_("Running"), "move", "moving"),
    "open": Chip(_("Open"), "wait", "wait"),
    "unknown": Chip(_("Outcome unknown"), "need", "warning"),
    "waiting": Chip(_("Waiting"), "wait", "wait"),
    "asked": Chip(_("Asks permission"), "need", "person", _("A person must allow this call")),
}
REUSE: dict[str, Chip] = {
    "kept": Chip(_("kept"), "idle", "check", _("Copied from before the place where this branch begins")),
    "recorded": Chip(
        _("recorded"), "idle", "check", _("What was recorded in the run that was forked; not called again")
    ),
    "inherited": Chip(
        _("inherited"), "idle", "check", _("What an earlier branch of this run got; not called again")
    ),
    "edited": Chip(_("edited"), "need", "changed", _("A person wrote this output")),
    "simulated": Chip(_("simulated"), "need", "document", _("Nothing was written")),
    "cached": Chip(
        _("kept answer"), "need", "check", _("The same read gave this another time; it was not to be had now")
    ),
    "skipped": Chip(
        _("skipped"), "need", "stop", _("Not to be had; the recovery policy says what to go on with")
    ),
    "swapped": Chip(_("another tool"), "need", "changed", _("Another tool answered in its place")),
}
SUPERSEDED = Chip(_("Superseded"), "idle", "retry", _("Replaced when its node was tried again"))

KINDS: dict[str, Words] = {
    "node": _("node"),
    "tool": _("tool"),
    "llm": _("model"),
    "wait": _("wait"),
    "approval": _("approval"),
    "child_run": _("child run"),
    "memory": _("memory"),
    "handoff": _("hand-off"),
}


def run_chip(run: Run) -> Chip:
    """Return the chip of a run; a pause or cancel that is asked for and not yet done says so."""
    if is_cancelling(run):
        return CANCELLING
    return PAUSING if is_pausing(run) else RUN[RunStatus(run.status)]


def is_cancelling(run: Run) -> bool:
    return run.control == "cancel" and run.status == RunStatus.RUNNING


def is_pausing(run: Run) -> bool:
    return run.control == "pause" and run.status == RunStatus.RUNNING


def health_chips(run: Run) -> list[Chip]:
    """Return one chip per health flag, and one for an archived run; a flag this version does not know shows its name."""
    chips = [
        HEALTH.get(flag, Chip(flag.replace("_", " ").capitalize(), "need", "warning")) for flag in run.health
    ]
    return chips + [ARCHIVED] * (run.archived_at is not None)


def step_chip(status: str) -> Chip:
    return STEP.get(status) or Chip(status.replace("_", " ").capitalize(), "idle", "node")


def kind_icon(kind: str) -> str:
    return kind if kind in KINDS else "node"
