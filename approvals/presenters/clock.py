"""The clocks of a request as its page tells them: what has come because time passed, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from approvals.engine.sla import LEVEL_STRIDE, End, Kind
from approvals.models import Sla, SlaTimer
from approvals.presenters.sla_form import ENDS

PASSED = {"stale": "stop", "met": "check"}


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that time brings: `at` is when it came, or will; None while the clocks stand."""

    icon: str
    told: str
    at: datetime | None
    has_come: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """Which policy it goes by, whether its clocks stand and why, and all that comes."""

    policy: str
    is_standing: bool
    reason: str
    by: str
    lines: list[Coming]

    @property
    def next(self) -> Coming | None:
        return next((line for line in self.lines if not line.has_come), None)


def clock_of(found: tuple[Sla, Sequence[SlaTimer]] | None) -> Clock | None:
    """Return the clocks in words; None for a request without any."""
    if found is None:
        return None
    sla, timers = found
    ordered = sorted(
        timers, key=lambda it: (it.fired_at is None, it.fired_at or it.due_at or sla.opened_at, it.at_seconds)
    )
    return Clock(
        str(sla.policy.get("name", "")), sla.since is None and sla.settled_at is None, sla.pause_reason, sla.paused_by,
        [_line(it, sla.policy) for it in ordered if it.outcome != "stale"],
    )  # fmt: skip


def _line(timer: SlaTimer, policy: dict[str, Any]) -> Coming:
    has_come = timer.fired_at is not None
    icon = PASSED.get(timer.outcome, "bell") if has_come else "wait"
    return Coming(icon, _told(Kind(timer.kind), timer.n, policy), timer.fired_at or timer.due_at, has_come)


def _told(kind: Kind, n: int, policy: dict[str, Any]) -> str:
    if kind is Kind.REMIND:
        return _("Reminder: %d %% of the time to decide is over") % n
    if kind is Kind.FIRST_RESPONSE:
        return _("Somebody should have reacted")
    if kind is Kind.DECISION:
        return _("It should be decided")
    if kind is Kind.END:
        return _("The end: %s") % ENDS[End(policy.get("end", End.EXPIRE))]
    number, again = divmod(n, LEVEL_STRIDE)
    told = _("Level %(n)d: told to %(who)s") % {
        "n": number + 1,
        "who": ", ".join(policy["levels"][number]["targets"]),
    }
    return f"{told} ({_('again')}, {again})" if again else told
