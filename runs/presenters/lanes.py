"""The branches and forks of a run as lanes: where each begins and ends, and what caused it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.engine.reuse import Mode
from runs.engine.states import RunStatus
from runs.models import Branch, Run
from runs.presenters import text
from runs.presenters.status import RUN, Chip, Words
from runs.selectors.branches import Branches, BranchRow

HEIGHT = 64
MIDDLE = 26
LEFT, WIDTH = 4.0, 92.0
CAUSES: dict[str, Words] = {
    "start": gettext_lazy("Started"),
    "fork": gettext_lazy("Forked"),
    "rewind": gettext_lazy("Rewound"),
    "heal": gettext_lazy("Healed itself"),
}
MODES: dict[str, Chip] = {
    Mode.LIVE: Chip(gettext_lazy("live"), "bad", "play", gettext_lazy("Every call is made again")),
    Mode.RECORDED: Chip(gettext_lazy("recorded"), "good", "shield-check", gettext_lazy("What was recorded is used; new writes are asked about")),
    Mode.DRY: Chip(gettext_lazy("dry"), "idle", "document", gettext_lazy("Nothing is written; writes are simulated")),
    Mode.INHERIT: Chip(gettext_lazy("writes inherited"), "good", "shield-check", gettext_lazy("What was written is not written again")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the drawing and of the list; `x` are per cent, `y` pixels.

    `step` is where its link leads in this run, `run_id` the fork that it leads to. `joins_y` is the lane that it comes
    from, None for the first.
    """

    title: str
    tone: str
    y: int
    x1: float
    x2: float
    from_x: float
    joins_y: int | None
    step: int | None
    run_id: UUID | None
    chips: list[Chip]
    words: str
    why: str
    at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class Lanes:
    lanes: list[Lane]
    height: int
    n_hidden: int


def lanes_of(found: Branches) -> Lanes:
    """Return one lane a branch, each followed by the forks that were taken from it."""
    scale = _Scale(max([1, *(branch.last_seq for branch in found.branches)]))
    lanes: list[Lane] = []
    for branch in found.branches:
        lanes.append(_branch_lane(found, branch, scale, lanes))
    home = {branch.number: index for index, branch in enumerate(found.branches)}
    for fork in found.forks:
        number = _branch_of(found, fork.forked_from_seq or 0)
        lanes.append(_fork_lane(fork, scale, len(lanes), _y(home[number])))
    return Lanes(lanes, len(lanes) * HEIGHT, found.n_forks - len(found.forks))


@dataclass(frozen=True, slots=True)
class _Scale:
    last: int

    def x(self, seq: int) -> float:
        return round(LEFT + WIDTH * min(max(seq, 0), self.last) / self.last, 2)


def _y(index: int) -> int:
    return index * HEIGHT + MIDDLE


def _branch_of(found: Branches, seq: int) -> int:
    """Return the branch on which a step was done, by the stretch of numbers that it took."""
    fits = [branch.number for branch in found.branches if branch.first_seq <= seq <= branch.last_seq]
    return fits[-1] if fits else found.branches[0].number


def _branch_lane(found: Branches, branch: BranchRow, scale: _Scale, lanes: list[Lane]) -> Lane:
    row, index = branch.row, len(lanes)
    numbers = [known.number for known in found.branches]
    parent = numbers.index(branch.parent_number) if branch.parent_number in numbers else None
    status = RUN[RunStatus(found.run.status)] if branch.is_current else Chip(_("Left"), "idle", "stop")
    chips = [Chip(_("Current"), status.tone, status.icon, status.label) if branch.is_current else status]
    if row is not None and row.effect_mode in MODES:
        chips.append(MODES[row.effect_mode])
    return Lane(
        title=_("Branch %(n)d") % {"n": branch.number}, tone=status.tone, y=_y(index), x1=scale.x(branch.first_seq),
        x2=scale.x(branch.last_seq), from_x=scale.x(branch.from_seq), joins_y=None if parent is None else _y(parent),
        step=branch.first_seq if branch.n_steps else None, run_id=row.from_run_id if row and found.origin else None,
        chips=chips, words=_words(found, branch, row), why=text.line(row.reason, 300) if row else "", at=branch.began_at,
        is_current=branch.is_current,
    )  # fmt: skip


def _words(found: Branches, branch: BranchRow, row: Branch | None) -> str:
    if row is None:
        return _("Started by %(who)s") % {"who": text.line(found.run.created_by or _("nobody known"), 80)}
    told = {
        "who": text.line(row.by or _("nobody known"), 80),
        "seq": text.number(row.from_seq),
        "node": text.line(row.node, 80),
    }
    if row.cause == "fork":
        told["title"] = text.line(row.from_title, 80)
        gone = "" if found.origin else _(" (deleted since)")
        return _("Forked by %(who)s from step %(seq)s of “%(title)s”, going on with %(node)s") % told + gone
    if row.cause == "heal":
        return _("Healed itself from step %(seq)s, going on with %(node)s") % told
    return _("Rewound by %(who)s to step %(seq)s, going on with %(node)s") % told


def _fork_lane(fork: Run, scale: _Scale, index: int, joins_y: int) -> Lane:
    status, x = RUN[RunStatus(fork.status)], scale.x(fork.forked_from_seq or 0)
    told = {
        "who": text.line(fork.created_by or _("nobody known"), 80),
        "seq": text.number(fork.forked_from_seq or 0),
    }
    mode = [MODES[fork.effect_mode]] if fork.effect_mode in MODES else []
    return Lane(
        title=_("Fork %(id)s") % {"id": text.short_id(fork.pk)}, tone=status.tone, y=_y(index), x1=x, x2=LEFT + WIDTH,
        from_x=x, joins_y=joins_y, step=None, run_id=fork.pk, chips=[status, *mode],
        words=_("Forked by %(who)s from step %(seq)s") % told, why="", at=fork.created_at, is_current=False,
    )  # fmt: skip


def mode_chips(run: Run) -> list[Chip]:
    """Return how the run treats what was done before it, where that matters."""
    return [MODES[run.effect_mode]] if run.effect_mode in MODES else []
