"""What a stretch of the tree is made of, read in a fixed number of queries whatever the length of the run."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agentops.accounts.roles import Actor
from runs.checkpoints.lineage import END, Lineage, lineage
from runs.models import Branch, Run, Step
from runs.selectors.children import ChildCounts, child_counts_for
from runs.selectors.console.heals import heals_at
from runs.selectors.console.overview import Overview, nodes_before, overview_of
from runs.selectors.console.tree import WINDOW, Segment, Trouble, segments_of, steps_by_seq, troubles_of

READ_SEGMENTS = 200
_ONE_BRANCH = Lineage([(1, END)], [1])


@dataclass(frozen=True, slots=True)
class Material:
    """Segments of nodes, what went wrong in the folded ones, segments of actions by node, and the rows shown.

    `offset` is how many nodes stand before the first segment; `selected` a seq, `selected_node` its node's. `is_cut`
    says that there are nodes behind the last segment; `lineage` which steps the run's branch is made of; `cut` holds the nodes with more actions than were looked at; `children` how far the runs are that steps started;
    `heals` the branches that healing began, by their first node.
    """

    run: Run
    now: datetime
    overview: Overview
    segments: Sequence[Segment]
    troubles: Mapping[int, Trouble]
    inside: Mapping[int, Sequence[Segment]]
    steps: Mapping[int, Step]
    selected: int
    selected_node: int
    offset: int
    is_cut: bool = False
    cut: Collection[int] = ()
    lineage: Lineage = _ONE_BRANCH
    children: Mapping[int, ChildCounts] = field(default_factory=dict)
    heals: Mapping[int, Branch] = field(default_factory=dict)


def read_material(
    actor: Actor,
    run: Run,
    *,
    now: datetime,
    after: int = 0,
    offset: int | None = None,
    selected: int = 0,
    selected_node: int = 0,
    known: Material | None = None,
) -> Material:
    """Return what the tree behind the node `after` is made of.

    Args:
        actor: whose team's run.
        run: the run.
        now: the database's time.
        after: the seq of the last node before.
        offset: how many nodes there are before, when it is known.
        selected: the step that must be seen even inside a fold.
        selected_node: the node it belongs to.
        known: another stretch of the same run, read just before.
    """
    segments, is_cut = _nodes_behind(actor, run, after)
    troubles = troubles_of(actor, run, [segment for segment in segments if segment.is_folded])
    nodes = _nodes(segments, troubles, selected_node)
    inside = _inside(actor, run, [*nodes, run.node_seq])
    actions = [seq for parts in inside.values() for part in parts for seq in _shown(part, selected)]
    steps = steps_by_seq(actor, run, {*nodes, *actions})
    if offset is None:
        offset = nodes_before(actor, run, after + 1) if after else 0
    return Material(
        run=run, now=now, overview=known.overview if known else overview_of(actor, run), segments=segments,
        troubles=troubles, inside=inside, steps=steps, selected=selected,
        selected_node=selected_node, offset=offset, is_cut=is_cut, cut=_cut(inside),
        lineage=lineage(run.pk, run.branch), children=_children(actor, run, steps),
        heals=heals_at(actor, run, {*nodes, run.node_seq}),
    )  # fmt: skip


def read_inside(actor: Actor, run: Run, *, now: datetime, node: int | None, after: int = 0) -> Material:
    """Return the actions of one node behind the step `after` (with None of no node), and what the axis needs."""
    inside = _inside(actor, run, [node], after) if node is not None else {}
    shown = {seq for segments in inside.values() for segment in segments for seq in _shown(segment, 0)}
    steps, overview = steps_by_seq(actor, run, shown), overview_of(actor, run)
    return Material(
        run,
        now,
        overview,
        [],
        {},
        inside,
        steps,
        0,
        0,
        0,
        cut=_cut(inside),
        lineage=lineage(run.pk, run.branch),
        children=_children(actor, run, steps),
    )


def _children(actor: Actor, run: Run, steps: Mapping[int, Step]) -> Mapping[int, ChildCounts]:
    is_parent = any(step.kind == "child_run" for step in steps.values())
    return child_counts_for(actor, run.pk) if is_parent else {}


def _nodes_behind(actor: Actor, run: Run, after: int) -> tuple[list[Segment], bool]:
    """Return the segments behind a node, and whether there are more; one that was cut stands in the next stretch."""
    segments = segments_of(actor, run, [0], after=after, limit=READ_SEGMENTS)
    is_cut = len(segments) == READ_SEGMENTS or sum(segment.n for segment in segments) == WINDOW
    return (segments[:-1] if is_cut and len(segments) > 1 else segments), is_cut


def _inside(actor: Actor, run: Run, parents: Sequence[int], after: int = 0) -> dict[int, list[Segment]]:
    found: dict[int, list[Segment]] = {}
    for segment in segments_of(actor, run, parents, after=after, limit=5 * READ_SEGMENTS):
        found.setdefault(segment.parent_seq, []).append(segment)
    return found


def _cut(inside: Mapping[int, Sequence[Segment]]) -> set[int]:
    return {parent for parent, segments in inside.items() if sum(segment.n for segment in segments) == WINDOW}


def exceptions(segment: Segment, troubles: Mapping[int, Trouble], selected: int) -> list[int]:
    """Return the rows of a fold that are shown although it is closed: failures first of all, and the selected."""
    trouble = troubles.get(segment.first)
    seqs = {*segment.failed, *(trouble.failed if trouble else ())}
    if segment.first <= selected <= segment.last:
        seqs.add(selected)
    return sorted(seqs)


def _nodes(segments: Iterable[Segment], troubles: Mapping[int, Trouble], selected_node: int) -> list[int]:
    found: list[int] = []
    for segment in segments:
        found += exceptions(segment, troubles, selected_node) if segment.is_folded else segment.shown
    return found


def _shown(segment: Segment, selected: int) -> list[int]:
    return exceptions(segment, {}, selected) if segment.is_folded else segment.shown
