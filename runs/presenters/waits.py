"""What a run waits for, in a few words and, where it is known, until when."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from runs.engine.states import RunStatus
from runs.models import Run
from runs.presenters import text
from runs.presenters.holdups import wait_words
from runs.selectors.holdups import holdup_of


@dataclass(frozen=True, slots=True)
class Wait:
    """`words` come before the time `at`, `after` behind it; all may be missing."""

    words: str = ""
    at: datetime | None = None
    after: str = ""

    def __bool__(self) -> bool:
        return bool(self.words or self.at)


def wait_of(run: Run) -> Wait:
    """Return what the run waits for; nothing when it moves or has ended well."""
    status = RunStatus(run.status)
    if "integrity_failed" in run.health:
        return Wait(_("a person"))
    told = text.line((run.waiting_on or {}).get("text", ""), 140)
    if status is RunStatus.SLEEPING:
        is_retry = (run.waiting_on or {}).get("kind") == "retry"
        return Wait(_("next try") if is_retry else _("until"), run.wake_at)
    if status is RunStatus.QUEUED:
        held = holdup_of(run)
        return Wait(wait_words(held) if held else _("a free worker"))
    if (run.waiting_on or {}).get("kind") == "budget" and status is RunStatus.PAUSED:
        return Wait(_("a larger budget"))
    if status in (RunStatus.WAITING, RunStatus.AWAITING_APPROVAL, RunStatus.PAUSED):
        return Wait(told or text.line(run.end_reason, 140) or _("a person"))
    return Wait()
