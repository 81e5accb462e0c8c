"""Rows of the execution tree: steps, folds of many alike, idle times, and the node that runs now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.engine.states import TERMINAL, RunStatus
from runs.models import Run, Step
from runs.presenters import status, text, times
from runs.presenters.families import Link, link_to_children
from runs.presenters.heals import heal_chip
from runs.presenters.run_list import progress_note
from runs.presenters.status import Chip
from runs.presenters.timeline import Axis, Span
from runs.selectors.console.material import Material, exceptions
from runs.selectors.console.overview import Gap
from runs.selectors.console.tree import Inside, Segment, Trouble

CHUNK_ROWS = 120
_WAITING = ("wait", "child_run")


@dataclass(frozen=True, slots=True)
class Mark:
    """A bar on the time axis."""

    span: Span
    tone: str
    css: str = ""


@dataclass(slots=True)
class TreeRow:
    """One row. `kind`: step, fold, gap, now or more (actions of the node `seq`, behind the second of `reach`). `inside` are the rows below it that are open.

    `reach` (parent, first, last) says what opening the row fetches; None when there is nothing, or it is here.
    """

    kind: str
    seq: int = 0
    level: int = 1
    name: str = ""
    summary: str = ""
    icon: str = "node"
    tone: str = "good"
    word: object = ""
    chips: list[Chip] = field(default_factory=list)
    duration: str = ""
    ticking: float | None = None
    cost: str = ""
    marks: list[Mark] = field(default_factory=list)
    position: int = 0
    size: int = 0
    is_selected: bool = False
    is_old: bool = False
    is_left: bool = False
    inside: "list[TreeRow]" = field(default_factory=list)
    reach: tuple[int, int, int] | None = None
    link: Link | None = None

    @property
    def can_open(self) -> bool:
        return bool(self.inside) or self.reach is not None

    @property
    def is_open(self) -> bool:
        return bool(self.inside) and self.kind != "fold"


@dataclass(frozen=True, slots=True)
class Scene:
    """What was read, and the axis it is drawn on."""

    read: Material
    axis: Axis


@dataclass(slots=True)
class Stretch:
    """Rows that fit a page: those settled, those of the last segment, and where the next stretch begins.

    `after` and `offset` are where the last segment begins again: what a live page asks for.
    """

    settled: list[TreeRow]
    last: list[TreeRow]
    after: int
    offset: int
    next_after: int | None
    next_offset: int
    n_shown: int


def stretch_of(scene: Scene) -> Stretch:
    """Return the rows of as many segments as fit."""
    groups: list[tuple[Segment, list[TreeRow]]] = []
    n_rows, cut = 0, None
    for segment in scene.read.segments:
        rows = _segment_rows(scene, segment)
        if n_rows and n_rows + _count(rows) > CHUNK_ROWS:
            cut = segment
            break
        groups.append((segment, rows))
        n_rows += _count(rows)
    before = (
        groups[-2][0].last
        if len(groups) > 1
        else (scene.read.segments[0].first - 1 if scene.read.segments else 0)
    )
    last_segment = groups[-1][0] if groups else None
    settled = [row for _segment, rows in groups[:-1] for row in rows]
    last = groups[-1][1] if groups else []
    is_cut = cut is not None or scene.read.is_cut
    now = [] if is_cut else _now_rows(scene)
    return Stretch(
        settled=settled,
        last=last + now,
        after=before,
        offset=scene.read.offset + (last_segment.position - 1 if last_segment else 0),
        next_after=groups[-1][0].last if groups and is_cut else None,
        next_offset=scene.read.offset + (groups[-1][0].position - 1 + groups[-1][0].n if groups else 0),
        n_shown=_steps([*settled, *last]),
    )


def fold_rows(
    scene: Scene, nodes: Sequence[Step], insides: Mapping[int, Inside], level: int
) -> list[TreeRow]:
    """Return the rows of an opened fold: each node closed, with what it has inside to be fetched."""
    rows = []
    for step in nodes:
        row = step_row(scene, step, level)
        if step.seq in insides:
            row.reach = (step.seq, 0, 0)
            row.chips += _inside_chips(insides[step.seq], step)
        rows.append(row)
    return rows


def inside_rows(scene: Scene, parent_seq: int, level: int) -> list[TreeRow]:
    """Return the rows of a node's actions, folded where many are alike."""
    found: list[TreeRow] = []
    segments = scene.read.inside.get(parent_seq, ())
    total = sum(segment.n for segment in segments)
    for segment in segments:
        if segment.is_folded:
            found.append(_fold(scene, segment, level, total))
            continue
        for offset, seq in enumerate(segment.shown):
            if seq in scene.read.steps:
                row = step_row(scene, scene.read.steps[seq], level)
                row.position, row.size = segment.position + offset, total
                found.append(row)
    if parent_seq in scene.read.cut:
        found.append(TreeRow("more", parent_seq, level, reach=(parent_seq, segments[-1].last, 0)))
    return found


def step_row(scene: Scene, step: Step, level: int) -> TreeRow:
    chip = status.SUPERSEDED if step.is_superseded else _step_chip(scene, step)
    end = step.ended_at or scene.read.now
    is_moving = step.ended_at is None and not _is_over(scene.read.run)
    return TreeRow(
        kind="step", seq=step.seq, level=level, name=text.line(step.name, 80), summary=text.line(step.summary, 160),
        icon=status.kind_icon(step.kind), tone=chip.tone, word=chip.label, chips=_chips(step, chip) + _heal_chips(scene, step.seq),
        duration=times.duration(times.seconds_between(step.started_at, end)),
        ticking=times.seconds_between(step.started_at, end) if is_moving else None,
        cost=text.money(step.cost_microusd) if step.cost_microusd else "",
        marks=[Mark(scene.axis.place(step.started_at, end), "wait" if step.kind in _WAITING else chip.tone)],
        is_selected=step.seq == scene.read.selected, is_old=step.is_superseded,
        is_left=not scene.read.lineage.holds(step.branch, step.parent_seq or step.seq),
        link=link_to_children(scene.read.run, step.seq, scene.read.children.get(step.seq)),
    )  # fmt: skip


def _segment_rows(scene: Scene, segment: Segment) -> list[TreeRow]:
    if segment.is_folded:
        return [
            _fold(scene, segment, 1, scene.read.overview.totals.n_nodes),
            *_gap_rows(scene, segment.first, segment.last),
        ]
    rows: list[TreeRow] = []
    for offset, seq in enumerate(segment.shown):
        if seq not in scene.read.steps:
            continue
        row = step_row(scene, scene.read.steps[seq], 1)
        row.position, row.size = (
            scene.read.offset + segment.position + offset,
            scene.read.overview.totals.n_nodes,
        )
        row.inside = inside_rows(scene, seq, 2)
        rows += [row, *_gap_rows(scene, seq, seq)]
    return rows


def _fold(scene: Scene, segment: Segment, level: int, size: int) -> TreeRow:
    """Return the row that stands for many alike, with those below it that must be seen."""
    trouble = scene.read.troubles.get(segment.first, Trouble(0, 0, []))
    n_failed, n_retried = segment.n_failed + trouble.n_failed, segment.n_retried + trouble.n_retried
    selected = scene.read.selected if segment.parent_seq else scene.read.selected_node
    shown = [seq for seq in exceptions(segment, scene.read.troubles, selected) if seq in scene.read.steps]
    inside = [_exception(scene, seq, level + 1) for seq in shown]
    names = list(dict.fromkeys(segment.names))
    end = segment.ends_at or scene.read.now
    ticks = [Mark(row.marks[0].span, row.tone) for row in inside if row.tone in ("bad", "need")]
    return TreeRow(
        kind="fold", is_left=not scene.read.lineage.holds_seq(segment.parent_seq or segment.first),
        seq=segment.first, level=level, name=text.line(" → ".join(names), 80),
        summary=f"× {text.number(round(segment.n / len(names)) if len(names) > 1 else segment.n)}",
        icon="fold", tone="good", chips=_counts(n_failed, n_retried),
        duration=f"p50 {times.duration(segment.median_seconds)}" if segment.median_seconds is not None else "",
        cost=text.money(segment.cost_microusd) if segment.cost_microusd else "",
        marks=[Mark(scene.axis.place(segment.starts_at, end), "good"), *ticks],
        position=scene.read.offset * (level == 1) + segment.position, size=size, inside=inside,
        reach=(segment.parent_seq, segment.first, segment.last),
    )  # fmt: skip


def _exception(scene: Scene, seq: int, level: int) -> TreeRow:
    row = step_row(scene, scene.read.steps[seq], level)
    row.inside = inside_rows(scene, seq, level + 1)
    if not row.chips and any(below.tone == "bad" for below in row.inside):
        row.chips = [Chip(_("an action failed"), "bad", "cross")]
    return row


def _gap_rows(scene: Scene, first: int, last: int) -> list[TreeRow]:
    """Return a row for each folded idle time behind the nodes `first` to `last`, the three longest at most."""
    found = [
        fold.gap for fold in scene.axis.folds if fold.gap.kind == "gap" and first <= fold.gap.seq <= last
    ]
    found.sort(key=lambda gap: -gap.seconds)
    return [_gap_row(gap) for gap in found[:3]]


def _gap_row(gap: Gap) -> TreeRow:
    shape = _("%(time)s waiting so far (folded)") if gap.kind == "now" else _("%(time)s waiting (folded)")
    return TreeRow(kind="gap", name=shape % {"time": times.duration(gap.seconds)})


def _now_rows(scene: Scene) -> list[TreeRow]:
    """Return the row of the node whose commit has not come: what runs now, or comes next, or was cut short."""
    run, totals = scene.read.run, scene.read.overview.totals
    if totals.has_node or (_is_over(run) and not totals.n_children_of_node):
        return []
    chip = status.run_chip(run)
    began = run.node_at or scene.read.now
    end = run.ended_at or scene.read.now
    is_begun = run.node_at is not None and (
        run.status == RunStatus.RUNNING or totals.n_children_of_node > 0 or run.node_attempt > 1
    )
    row = TreeRow(
        kind="now", seq=run.node_seq, name=text.line(run.node, 80), summary=_now_words(run, is_begun=is_begun),
        icon="moving" if run.status == RunStatus.RUNNING else chip.icon, tone=chip.tone, word=chip.label,
        chips=_attempt_chips(run.node_attempt) + _heal_chips(scene, run.node_seq), position=totals.n_nodes + 1, size=totals.n_nodes + 1,
        is_selected=scene.read.selected == run.node_seq,
    )  # fmt: skip
    if is_begun:
        row.duration = times.duration(times.seconds_between(began, end))
        row.ticking = None if _is_over(run) else times.seconds_between(began, end)
        row.marks = [
            Mark(scene.axis.place(began, end), chip.tone, "thin" if run.status != RunStatus.RUNNING else "")
        ]
    row.inside = inside_rows(scene, run.node_seq, 2)
    return [*(_gap_row(fold.gap) for fold in scene.axis.folds if fold.gap.kind == "now"), row]


def _now_words(run: Run, *, is_begun: bool) -> str:
    if run.status == RunStatus.RUNNING:
        return progress_note(run) or _("running now")
    if RunStatus(run.status) in TERMINAL:
        return _("cut short")
    return _("goes on here") if is_begun else _("comes next")


def _step_chip(scene: Scene, step: Step) -> Chip:
    if step.status == "running" and step.kind in _WAITING and not _is_over(scene.read.run):
        return status.STEP["waiting"]
    if step.status == "running" and _is_over(scene.read.run):
        return (
            status.STEP["unknown"]
            if step.effect in ("write", "destructive")
            else Chip(_("Cut short"), "idle", "stop")
        )
    return status.step_chip(step.status)


def _chips(step: Step, chip: Chip) -> list[Chip]:
    """Return the chips of a row; success needs none."""
    told = [] if step.status == "succeeded" and not step.is_superseded else [chip]
    told += [status.REUSE[step.reuse]] if step.reuse in status.REUSE else []
    return told + _attempt_chips(step.attempts)


def _heal_chips(scene: Scene, seq: int) -> list[Chip]:
    branch = scene.read.heals.get(seq)
    return [heal_chip(branch)] if branch is not None else []


def _attempt_chips(attempts: int) -> list[Chip]:
    if attempts < 2:
        return []
    return [Chip(ngettext("%(n)d attempt", "%(n)d attempts", attempts) % {"n": attempts}, "need", "retry")]


def _inside_chips(inside: Inside, step: Step) -> list[Chip]:
    found = (
        [Chip(_("an action failed"), "bad", "cross")] if inside.n_failed and step.status != "failed" else []
    )
    return found + (_attempt_chips(inside.max_attempts) if step.attempts < 2 else [])


def _counts(n_failed: int, n_retried: int) -> list[Chip]:
    found = []
    if n_failed:
        found.append(Chip(_("%(n)s failed") % {"n": text.number(n_failed)}, "bad", "cross"))
    if n_retried:
        found.append(Chip(_("%(n)s retried") % {"n": text.number(n_retried)}, "need", "retry"))
    return found


def _is_over(run: Run) -> bool:
    return RunStatus(run.status) in TERMINAL


def _count(rows: Iterable[TreeRow]) -> int:
    return sum(1 + _count(row.inside) for row in rows)


def _steps(rows: Iterable[TreeRow]) -> int:
    return sum((row.kind == "step") + _steps(row.inside) for row in rows)
