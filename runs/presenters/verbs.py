"""What a person may do to a run now: words, looks and warnings of each verb, and why one is refused."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import ConflictError
from runs.engine.states import RunStatus
from runs.models import Run
from runs.presenters import text
from runs.presenters.status import RUN, Words
from runs.services.control import possible_verbs


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. `is_asked`: it opens a form first; without one it is done by one press. `word`: to be typed."""

    name: str
    label: Words
    icon: str
    headline: Words
    meaning: Words
    do: Words
    leave: Words
    tone: str = ""
    is_asked: bool = True
    has_reason: bool = True
    word: str = ""


_LET_IT = gettext_lazy("Let it go on")
VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "resume", gettext_lazy("Resume"), "play", gettext_lazy("Resume this run?"),
            gettext_lazy("It goes on where it was paused: in its queue, its sleep or its wait. What came due meanwhile counts."),
            gettext_lazy("Resume the run"), gettext_lazy("Leave it paused"), is_asked=False, has_reason=False,
        ),
        Verb(
            "migrate", gettext_lazy("Migrate…"), "retry", gettext_lazy("Move this run to another version?"),
            gettext_lazy("It goes on at the node where it stands, with its state as it is, in the code of the version you choose. "
                         "What is recorded in that node must still be asked for in the same order."),
            gettext_lazy("Migrate the run"), gettext_lazy("Leave it paused"), has_reason=False,
        ),
        Verb(
            "retry", gettext_lazy("Retry"), "retry", gettext_lazy("Retry this run?"),
            gettext_lazy("It goes on at the node that failed. Nothing that succeeded is done again."),
            gettext_lazy("Retry the run"), gettext_lazy("Leave it failed"), is_asked=False, has_reason=False,
        ),
        Verb(
            "pause", gettext_lazy("Pause…"), "pause", gettext_lazy("Pause this run?"),
            gettext_lazy("It stops at its next commit and keeps its place. Calls in flight are let finish and recorded."),
            gettext_lazy("Pause the run"), _LET_IT,
        ),
        Verb(
            "cancel", gettext_lazy("Cancel…"), "stop", gettext_lazy("Cancel this run?"),
            gettext_lazy("It stops for good, at its next commit. Calls in flight are let finish and recorded. What is done stays "
                         "recorded, and you can start it again with the same input."),
            gettext_lazy("Cancel the run"), _LET_IT, tone="quiet",
        ),
        Verb(
            "kill", gettext_lazy("Kill…"), "cross", gettext_lazy("Kill this run?"),
            gettext_lazy("It ends now, whoever holds it, and its worker writes nothing more. A write that is in flight may have "
                         "happened all the same, and nobody will know: its step is marked “outcome unknown”. Cancel waits for it "
                         "instead."),
            gettext_lazy("Kill the run"), _LET_IT, tone="quiet danger", word="kill",
        ),
    )
}  # fmt: skip
ENDINGS = ("cancel", "kill")
_REFUSED: dict[str, Words] = {
    "pause": gettext_lazy("It cannot be paused any more."),
    "cancel": gettext_lazy("It cannot be cancelled any more."),
    "kill": gettext_lazy("It cannot be killed any more."),
    "resume": gettext_lazy("It cannot be resumed."),
    "retry": gettext_lazy("It cannot be retried."),
    "migrate": gettext_lazy("It cannot be migrated."),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a verb was refused: what it says, how the run came to be as it is, and what is possible now."""

    headline: Words
    detail: str
    history: str
    possible: str


def verbs_of(run: Run) -> list[Verb]:
    """Return the verbs for the buttons of a run, in their order; none that is under way already."""
    names = set(possible_verbs(run))
    if run.status == RunStatus.RUNNING and run.control:
        names -= {"pause", run.control}
    if (run.waiting_on or {}).get("kind") == "program_changed" and "resume" in names:
        names.add("migrate")
    return [verb for name, verb in VERBS.items() if name in names]


def is_possible(run: Run, verb: Verb) -> bool:
    """Return whether asking for the verb makes sense; a paused run may always be migrated."""
    return verb in verbs_of(run) or (verb.name == "migrate" and run.status == RunStatus.PAUSED)


def refusal_of(run: Run, verb: Verb, error: ConflictError | None = None) -> Refusal:
    """Return what to tell somebody whose verb came too late or too early."""
    possible = ", ".join(str(one.label).rstrip("…") for one in verbs_of(run))
    return Refusal(
        _REFUSED[verb.name], text.shorten(error.detail, 400) if error else "", history_of(run), possible
    )


def history_of(run: Run) -> str:
    """Return the run's status, who brought it there and why, as far as that is known."""
    status, who = str(RUN[RunStatus(run.status)].label), text.line(run.ended_by, 80)
    why = text.line(run.end_reason, 300)
    if who and why:
        return _("%(status)s, by %(who)s: %(why)s") % {"status": status, "who": who, "why": why}
    return _("%(status)s, by %(who)s") % {"status": status, "who": who} if who else status
