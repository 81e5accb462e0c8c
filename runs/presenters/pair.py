"""Two runs side by side: which steps belong together, what differs, and by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.models import Run
from runs.presenters import text, times
from runs.presenters.status import Chip, Words, step_chip
from runs.selectors.console.pair import PairAction, PairNode

Pair = tuple[PairNode | None, PairNode | None]
Actions = tuple[Mapping[int, list[PairAction]], Mapping[int, list[PairAction]]]
FOLD_FROM = 4
SHOWN_ACTIONS = 8
_SAME, _SAME_CALLS, _SAME_NAME = 5, 4, 2

VERDICTS: dict[str, Chip] = {
    "same": Chip(gettext_lazy("Same"), "idle", "check", gettext_lazy("The same calls with the same results")),
    "result": Chip(gettext_lazy("Other result"), "move", "changed", gettext_lazy("The same calls, and something else came of them")),
    "call": Chip(gettext_lazy("Other calls"), "need", "changed", gettext_lazy("It asked for something else")),
    "a": Chip(gettext_lazy("Only in A"), "wait", "minus"),
    "b": Chip(gettext_lazy("Only in B"), "wait", "plus"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Total:
    """One measure of both runs; `delta` is B less A in words, `tone` says whether that is more (need) or less (good)."""

    label: Words
    a: str
    b: str
    delta: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A step on one side."""

    seq: int
    took: str
    chip: Chip | None
    summary: str


@dataclass(frozen=True, slots=True)
class ActionLine:
    """An action of a differing step: what it was called with on either side."""

    name: str
    a: Cell | None
    b: Cell | None
    chip: Chip


@dataclass(slots=True)
class Row:
    """Two steps that belong together, or a stretch of `n_folded` with the same verdict.

    `b_place` is the step of the second run as the page of differences wants it; empty where one side is missing.
    """

    name: str
    verdict: str
    a: Cell | None = None
    b: Cell | None = None
    delta: str = ""
    tone: str = ""
    is_first: bool = False
    actions: list[ActionLine] = field(default_factory=list)
    n_more: int = 0
    n_folded: int = 0
    range: str = ""
    b_place: str = ""

    @property
    def chip(self) -> Chip:
        return VERDICTS[self.verdict]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The rows of a page; `next_after` are the last steps that they tell of, None at the end of both runs."""

    pairs: list[Pair]
    next_after: tuple[int, int] | None


def aligned(a: Sequence[PairNode], b: Sequence[PairNode], limit: int, start: tuple[int, int]) -> Aligned:
    """Return which nodes belong together, of at most `limit` of each side that were read behind `start`.

    Where more may follow, what stands behind the last pair is left to the next page.
    """
    pairs = _pairs(a, b)
    if len(a) < limit and len(b) < limit:
        return Aligned(pairs, None)
    last = max((n for n, pair in enumerate(pairs) if None not in pair), default=len(pairs) - 1)
    kept = pairs[: last + 1]
    sides = zip(start, zip(*kept, strict=True), strict=True)
    ends = [max((node.seq for node in side if node), default=known) for known, side in sides]
    return Aligned(kept, (ends[0], ends[1]))


def verdict(pair: Pair) -> str:
    """Return which of VERDICTS holds for two nodes."""
    a, b = pair
    if a is None or b is None:
        return "b" if a is None else "a"
    if a.mark == b.mark:
        return "same"
    return "result" if a.asked == b.asked else "call"


def rows_of(
    pairs: Sequence[Pair], actions: Actions, b_id: UUID, *, marks_first: bool
) -> list[Row]:  # fmt: skip
    """Return the rows of a page: neighbours that are equal or on one side only folded, the others with their actions.

    Args:
        pairs: of aligned().
        actions: those of the differing nodes, of either run.
        b_id: the second run.
        marks_first: whether the first row that is not the same is the first divergence of the runs.
    """
    rows: list[Row] = []
    for found, grouped in groupby(pairs, verdict):
        group = list(grouped)
        n_shown = 0 if found == "same" else 1 if found in "ab" else len(group)
        if len(group) - n_shown < FOLD_FROM:
            n_shown = len(group)
        for pair in group[:n_shown]:
            row = _row(pair, actions)
            row.b_place = f"{b_id}:{pair[1].seq}" if pair[0] and pair[1] else ""
            row.is_first = marks_first and found != "same"
            marks_first = marks_first and not row.is_first
            rows.append(row)
        if group[n_shown:]:
            rows.append(_folded(found, group[n_shown:]))
    return rows


def totals_of(a: Run, b: Run) -> list[Total]:
    """Return what the two runs took, and by how much that differs."""
    return [
        Total(_("Version"), f"v{a.agent_version.number}", f"v{b.agent_version.number}"),
        _length(_("Took"), _seconds(a), _seconds(b)),
        _count(_("Steps"), a.n_steps, b.n_steps, is_judged=False),
        _money(a.cost_microusd, b.cost_microusd),
        _count(_("Tokens"), a.tokens_in + a.tokens_out, b.tokens_in + b.tokens_out),
        _count(_("Failed steps"), a.n_failed_steps, b.n_failed_steps),
        _count(_("Retries"), a.n_retries, b.n_retries),
    ]


def _pairs(a: Sequence[PairNode], b: Sequence[PairNode]) -> list[Pair]:
    start = next(
        (n for n, pair in enumerate(zip(a, b, strict=False)) if pair[0].mark != pair[1].mark),
        min(len(a), len(b)),
    )
    same: list[Pair] = list(zip(a[:start], b[:start], strict=True))
    return same + _best(a[start:], b[start:])


def _best(a: Sequence[PairNode], b: Sequence[PairNode]) -> list[Pair]:
    """Return the alignment in order with the most likeness: a table of the best for each pair of beginnings."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for n in range(len(a) - 1, -1, -1):
        row, below, one = best[n], best[n + 1], a[n]
        for m in range(len(b) - 1, -1, -1):
            here = _likeness(one, b[m])
            row[m] = max(below[m], row[m + 1], below[m + 1] + here if here else 0)
    pairs: list[Pair] = []
    n = m = 0
    while n < len(a) and m < len(b):
        here = _likeness(a[n], b[m])
        if here and best[n][m] == best[n + 1][m + 1] + here:
            pairs.append((a[n], b[m]))
            n, m = n + 1, m + 1
        elif best[n][m] == best[n + 1][m]:
            pairs.append((a[n], None))
            n += 1
        else:
            pairs.append((None, b[m]))
            m += 1
    return pairs + [(node, None) for node in a[n:]] + [(None, node) for node in b[m:]]


def _likeness(a: PairNode, b: PairNode) -> int:
    if a.name != b.name:
        return 0
    if a.asked != b.asked:
        return _SAME_NAME
    return _SAME if a.got == b.got else _SAME_CALLS


def _folded(found: str, pairs: Sequence[Pair]) -> Row:
    names = list(dict.fromkeys(node.name for pair in pairs if (node := pair[0] or pair[1])))
    shown = ", ".join(text.line(name, 40) for name in names[:4]) + (" …" if len(names) > 4 else "")
    sides = [[node.seq for node in side if node] for side in zip(*pairs, strict=True)]
    places = dict.fromkeys(f"{text.number(seqs[0])}–{text.number(seqs[-1])}" for seqs in sides if seqs)
    return Row(shown, found, n_folded=len(pairs), range=" · ".join(places))


def _row(pair: Pair, actions: Actions) -> Row:
    a, b = pair
    known = a or b
    assert known
    found = verdict(pair)
    delta = _length("", *(_took(node) for node in pair)) if a and b else None
    row = Row(
        text.line(known.name, 80), found, _cell(a), _cell(b), delta.delta if delta else "", delta.tone if delta else "",
    )  # fmt: skip
    if found != "same":
        left, right = (
            side.get(node.seq, []) if node else [] for side, node in zip(actions, pair, strict=True)
        )
        row.actions = _action_lines(left, right)
        n = max(a.n_actions if a else 0, b.n_actions if b else 0)
        row.n_more = max(0, n - SHOWN_ACTIONS)
    return row


def _action_lines(left: Sequence[PairAction], right: Sequence[PairAction]) -> list[ActionLine]:
    lines = []
    for a, b in zip_longest(left, right):
        if a and b and a.name != b.name:
            lines += [_action_line(a, None), _action_line(None, b)]
        else:
            lines.append(_action_line(a, b))
    return lines


def _action_line(a: PairAction | None, b: PairAction | None) -> ActionLine:
    known = a or b
    assert known
    if a is None or b is None:
        found = "b" if a is None else "a"
    elif a.request != b.request:
        found = "call"
    else:
        found = "same" if (a.status, a.outcome) == (b.status, b.outcome) else "result"
    return ActionLine(text.line(known.name, 80), _action_cell(a), _action_cell(b), VERDICTS[found])


def _action_cell(action: PairAction | None) -> Cell | None:
    if action is None:
        return None
    chip = None if action.status == "succeeded" else step_chip(action.status)
    return Cell(action.seq, "", chip, text.line(action.summary, 90))


def _cell(node: PairNode | None) -> Cell | None:
    if node is None:
        return None
    chip = None if node.status == "succeeded" else step_chip(node.status)
    return Cell(node.seq, times.duration(_took(node)), chip, text.line(node.summary, 90))


def _took(node: PairNode | None) -> float | None:
    return times.seconds_between(node.started_at, node.ended_at) if node else None


def _seconds(run: Run) -> float | None:
    return times.seconds_between(run.started_at, run.ended_at or times.now_of(run))


def _length(label: Words, a: float | None, b: float | None) -> Total:
    delta = b - a if a is not None and b is not None else 0.0
    small = abs(delta) < max(0.0005, 0.02 * max(a or 0, b or 0))
    told = "" if small else f"{'+' if delta > 0 else '−'}{times.duration(abs(delta))}"
    return Total(label, times.duration(a), times.duration(b), told, _tone(0 if small else delta))


def _count(label: Words, a: int, b: int, *, is_judged: bool = True) -> Total:
    delta = b - a
    told = f"{'+' if delta > 0 else '−'}{text.number(abs(delta))}" if delta else ""
    return Total(label, text.number(a), text.number(b), told, _tone(delta) if is_judged else "")


def _money(a: int, b: int) -> Total:
    delta = b - a
    told = f"{'+' if delta > 0 else '−'}{text.money(abs(delta))}" if delta else ""
    return Total(_("Cost"), text.money(a), text.money(b), told, _tone(delta))


def _tone(delta: float) -> str:
    return "" if not delta else "need" if delta > 0 else "good"
