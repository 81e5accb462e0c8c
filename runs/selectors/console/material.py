"""What a stretch of the tree is made of, read in a fixed number of queries whatever the length of the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentops.accounts.roles import Actor
from runs.models import Run, Step
from runs.selectors.console.tree import (
    Gap,
    Segment,
    Totals,
    Trouble,
    gaps_of,
    nodes_before,
    segments_of,
    steps_by_seq,
    totals_of,
    troubles_of,
)

READ_SEGMENTS = 200


@dataclass(frozen=True, slots=True)
class Material:
    """Segments of nodes, what went wrong in the folded ones, segments of actions by node, and the rows shown.

    `offset` is how many nodes stand before the first segment; `selected` a seq, `selected_node` its node's.
    """

    run: Run
    now: datetime
    totals: Totals
    gaps: Sequence[Gap]
    segments: Sequence[Segment]
    troubles: Mapping[int, Trouble]
    inside: Mapping[int, Sequence[Segment]]
    steps: Mapping[int, Step]
    selected: int
    selected_node: int
    offset: int


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
    segments = segments_of(actor, run, [0], after=after, limit=READ_SEGMENTS)
    troubles = troubles_of(actor, run, [segment for segment in segments if segment.is_folded])
    nodes = _nodes(segments, troubles, selected_node)
    inside: dict[int, list[Segment]] = {}
    for segment in segments_of(actor, run, [*nodes, run.node_seq], limit=5 * READ_SEGMENTS):
        inside.setdefault(segment.parent_seq, []).append(segment)
    actions = [seq for parts in inside.values() for part in parts for seq in _shown(part, selected)]
    if offset is None:
        offset = nodes_before(actor, run, after + 1) if after else 0
    return Material(
        run=run, now=now, totals=known.totals if known else totals_of(actor, run),
        gaps=known.gaps if known else gaps_of(actor, run), segments=segments, troubles=troubles, inside=inside,
        steps=steps_by_seq(actor, run, {*nodes, *actions}), selected=selected, selected_node=selected_node, offset=offset,
    )  # fmt: skip


def read_inside(actor: Actor, run: Run, *, now: datetime, node: int | None) -> Material:
    """Return the actions of one node (with None of no node), and what the axis needs."""
    segments = segments_of(actor, run, [node], limit=5 * READ_SEGMENTS) if node is not None else []
    steps = steps_by_seq(actor, run, {seq for segment in segments for seq in _shown(segment, 0)})
    inside = {node: segments} if node is not None else {}
    totals, gaps = totals_of(actor, run), gaps_of(actor, run)
    return Material(run, now, totals, gaps, [], {}, inside, steps, 0, 0, 0)


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
