"""The time axis of a run: proportional where something happens, folded where nothing does."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runs.selectors.console.overview import Gap, Totals

FOLD_SHARE = 0.1
FOLD_MIN_SECONDS = 5.0
MAP_BUCKETS = 120
_MIN_WIDTH = 0.7


@dataclass(frozen=True, slots=True)
class Span:
    """A place on the axis in percent."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Fold:
    """An idle time drawn short: seconds since the beginning, and its place on the drawn scale."""

    gap: Gap
    start: float
    end: float
    drawn_start: float
    drawn_end: float


class Axis:
    """Maps times to percent of the width.

    `length` is the drawn length in seconds, `folds` are the folded idle times; `active_seconds` and `idle_seconds`
    together are the real length.
    """

    def __init__(
        self, begin: datetime, end: datetime, gaps: Sequence[Gap] = (), *, is_growing: bool = False
    ) -> None:
        self.begin = begin
        span = max((end - begin).total_seconds(), 0.001)
        idle = _merged(begin, span, gaps)
        self.idle_seconds = sum(stop - start for start, stop, _gap in idle)
        self.active_seconds = active = max(span - self.idle_seconds, 0.001)
        least = max(FOLD_MIN_SECONDS, FOLD_SHARE * active)
        folded = [item for item in idle if item[1] - item[0] >= least]
        drawn = span - sum(stop - start for start, stop, _gap in folded)
        self.folds = _folds(folded, _round_up(drawn) if is_growing else drawn)
        self._starts = [fold.start for fold in self.folds]
        length = self._drawn(span)
        self.length = _round_up(length * 1.08) if is_growing else length

    def place(self, start: datetime, end: datetime) -> Span:
        """Return where the time from `start` to `end` is drawn; never too thin to be seen."""
        x = self._percent(start)
        return Span(round(min(x, 100 - _MIN_WIDTH), 2), round(max(self._percent(end) - x, _MIN_WIDTH), 2))

    def bounds(self, n: int = MAP_BUCKETS) -> list[datetime]:
        """Return the times at which `n` equally wide buckets of the drawn scale begin."""
        return [self._time(self.length * index / n) for index in range(n)]

    @property
    def signature(self) -> str:
        """Changes when bars that are drawn already would have to move by more than a common factor."""
        return (
            f"{len(self.folds)}:{self.folds[-1].drawn_end - self.folds[-1].drawn_start:.2f}"
            if self.folds
            else "0"
        )

    def _percent(self, at: datetime) -> float:
        return max(0.0, min(100.0, 100 * self._drawn((at - self.begin).total_seconds()) / self.length))

    def _drawn(self, seconds: float) -> float:
        index = bisect_right(self._starts, seconds) - 1
        if index < 0:
            return max(seconds, 0.0)
        fold = self.folds[index]
        if seconds >= fold.end:
            return fold.drawn_end + seconds - fold.end
        share = (seconds - fold.start) / (fold.end - fold.start)
        return fold.drawn_start + share * (fold.drawn_end - fold.drawn_start)

    def _time(self, drawn: float) -> datetime:
        seconds = drawn
        for fold in self.folds:
            if drawn >= fold.drawn_end:
                seconds = fold.end + drawn - fold.drawn_end
            elif drawn > fold.drawn_start:
                share = (drawn - fold.drawn_start) / (fold.drawn_end - fold.drawn_start)
                seconds = fold.start + share * (fold.end - fold.start)
                break
            else:
                break
        return self.begin + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the minimap in its drawing of 100 × 30: a count, and the part of it that failed."""

    x: float
    height: float
    bad: float

    @property
    def top(self) -> float:
        return round(30 - self.height, 1)

    @property
    def bad_top(self) -> float:
        return round(30 - self.bad, 1)


@dataclass(frozen=True, slots=True)
class Map:
    bars: list[Bar]
    folds: list[Span]
    width: float


def axis_of(
    totals: Totals, gaps: Sequence[Gap], *, now: datetime, is_open: bool, is_running: bool = False
) -> Axis:
    """Return the axis of a run: from its first step to its last, or to now while it is open.

    While an open run does not run, the time since its last step is idle too (a gap of the kind `now`).
    """
    begin, last = totals.began_at or now, totals.last_at
    since = (
        [Gap(totals.last_seq, "now", last, now)] if is_open and not is_running and last and last < now else []
    )
    return Axis(begin, now if is_open else last or now, [*gaps, *since], is_growing=is_open)


def minimap(axis: Axis, buckets: Sequence[tuple[int, int, int]], n: int = MAP_BUCKETS) -> Map:
    """Return the bars for (bucket from 1, steps, failed steps)."""
    most = max((count for _bucket, count, _failed in buckets), default=1)
    bars = [
        Bar(
            x=round(100 * (bucket - 1) / n, 2),
            height=round(max(2.0, 28 * count / most), 1),
            bad=round(min(max(4.0, 28 * failed / most), max(2.0, 28 * count / most)), 1) if failed else 0,
        )
        for bucket, count, failed in buckets
        if bucket
    ]
    folds = [
        Span(round(100 * fold.drawn_start / axis.length, 2), round(100 * (fold.drawn_end - fold.drawn_start) / axis.length, 2))
        for fold in axis.folds
    ]  # fmt: skip
    return Map(bars, folds, round(0.8 * 100 / n, 3))


def _merged(begin: datetime, span: float, gaps: Sequence[Gap]) -> list[tuple[float, float, Gap]]:
    """Return the gaps as seconds since `begin`, in order, without overlap."""
    found: list[tuple[float, float, Gap]] = []
    for gap in sorted(gaps, key=lambda gap: gap.starts_at):
        start = max((gap.starts_at - begin).total_seconds(), found[-1][1] if found else 0.0)
        stop = min((gap.ends_at - begin).total_seconds(), span)
        if stop > start:
            found.append((start, stop, gap))
    return found


def _folds(folded: Sequence[tuple[float, float, Gap]], drawn: float) -> list[Fold]:
    width = min(0.05 * drawn, 0.2 * drawn / len(folded)) if folded else 0.0
    found, saved = [], 0.0
    for start, stop, gap in folded:
        found.append(Fold(gap, start, stop, start - saved, start - saved + width))
        saved += stop - start - width
    return found


def _round_up(seconds: float) -> float:
    """Return a length that is seldom outgrown: bars must not move at each new step."""
    step = 10.0 ** (len(str(int(seconds))) - 1)
    return next((step * nice for nice in (1, 1.5, 2, 3, 5, 7.5, 10) if step * nice >= seconds), seconds)
