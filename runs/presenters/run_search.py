"""The query of the run list in links: views, terms with their crosses, facets, and the bars of the chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from agentops.common.errors import BadQueryError
from agentops.common.query import And, Filter, Term, Value, parse, render
from agentops.common.query.edit import added, parts_of, toggled, without, without_key
from runs.engine.states import RunStatus
from runs.models import SavedView
from runs.presenters import text
from runs.presenters.status import HEALTH, RUN, Words
from runs.selectors.console.found_overview import Bucket, FacetValue, Histogram
from runs.selectors.runs import COUNT_CAP

S = RunStatus
TIME_KEYS = ("created", "started", "ended", "active", "age")
CHART_WIDTH, CHART_HEIGHT = 1000.0, 44.0
_GAP = 1.6
_THINNEST = 1.2
_TONES = ("good", "move", "wait", "need", "bad", "idle")
_VIEWS: tuple[tuple[Words, tuple[RunStatus, ...], bool], ...] = (
    (gettext_lazy("All"), (), True),
    (gettext_lazy("Running"), (S.QUEUED, S.RUNNING), True),
    (gettext_lazy("Waiting"), (S.SLEEPING, S.WAITING, S.AWAITING_APPROVAL), True),
    (gettext_lazy("Paused"), (S.PAUSED,), False),
    (gettext_lazy("Failed"), (S.FAILED,), True),
    (gettext_lazy("Succeeded"), (S.SUCCEEDED,), True),
    (gettext_lazy("Cancelled"), (S.CANCELLED, S.EXPIRED), False),
)
ZOOMS: tuple[tuple[str, Words], ...] = (
    ("-1h", gettext_lazy("1 h")), ("-1d", gettext_lazy("24 h")), ("-7d", gettext_lazy("7 d")), ("-30d", gettext_lazy("30 d")),
)  # fmt: skip
FACET_LABELS: dict[str, Words] = {
    "status": gettext_lazy("Status"), "agent": gettext_lazy("Agent"), "health": gettext_lazy("Health"),
    "tag": gettext_lazy("Tag"), "version": gettext_lazy("Version"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to another query; `count` and `note` may be empty."""

    label: Words
    href: str
    is_here: bool = False
    count: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in the chart's own units."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart: where it stands, what it says, and the query that it leads to."""

    x: float
    width: float
    parts: list[Part]
    words: str
    href: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    first: datetime
    last: datetime
    is_cut: bool
    is_estimate: bool
    rest: str


class Address:
    """The address of the list: a query, and the columns that stay when it changes."""

    def __init__(self, query: str, columns: str = "") -> None:
        self.text, self.columns = query, columns
        self.term = self._read(query)

    def to(self, term: Term | str) -> str:
        query = term if isinstance(term, str) else render(term)
        return "?" + urlencode({"q": query} | ({"cols": self.columns} if self.columns else {}))

    def is_at(self, query: str) -> bool:
        return self.term is not None and render(self.term) == query

    @staticmethod
    def _read(query: str) -> Term | None:
        try:
            return parse(query)
        except BadQueryError:
            return None


def status_query(statuses: Sequence[str]) -> str:
    return f"status:{','.join(statuses)}" if statuses else ""


def views(counts: Mapping[RunStatus, int], at: Address) -> list[Link]:
    """Return the views that every team has; rare statuses only where there are such runs, or the view is open."""
    found = []
    for label, statuses, is_always in _VIEWS:
        query = status_query(statuses)
        total = sum(counts.get(status, 0) for status in statuses or counts)
        if is_always or total or at.is_at(query):
            found.append(Link(label, at.to(query), at.is_at(query), _count(total)))
    return found


def stuck_view(n_runs: int, at: Address) -> list[Link]:
    """Return the view of what is stuck now, where there is any or the view is open."""
    is_here = at.is_at(STUCK_NOW)
    return (
        [Link(HEALTH["stuck"].label, at.to(STUCK_NOW), is_here, _count(n_runs))] if n_runs or is_here else []
    )


def saved_links(saved: Sequence[SavedView], at: Address) -> list[Link]:
    """Return the saved views; `note` says whose one is that others share."""
    found = []
    for view in saved:
        columns = ",".join(view.columns)
        href = Address(view.query, columns).to(view.query)
        is_here = at.is_at(_canonical(view.query)) and columns == at.columns
        found.append(
            Link(
                text.line(view.name, 60),
                href,
                is_here,
                note=text.line(view.__dict__.get("owner_name", ""), 60),
            )
        )
    return found


def terms(at: Address) -> list[Link]:
    """Return each term of the query, with the query without it."""
    term = at.term
    if term is None or term == And():
        return []
    return [Link(text.line(render(part), 120), at.to(without(term, part))) for part in parts_of(term)]


def without_time(at: Address) -> str | None:
    """Return the query without the times that it asks for; None when it asks for none."""
    if at.term is None:
        return None
    bare = render(without_key(at.term, *TIME_KEYS))
    return None if bare == render(at.term) else bare


def narrowed(query: str, view: str, agent: str) -> str:
    """Return the query with a status, or one of the older names for some of them, and an agent added to it."""
    statuses = _NAMED.get(view, (view,) if view else ())
    of_agent = render(Filter("agent", (Value(agent, is_quoted="*" in agent),))) if agent else ""
    words = [query, status_query(statuses), of_agent]
    joined = " ".join(word for word in words if word)
    return _canonical(joined)


STUCK_NOW = "is:stuck"
_NAMED: dict[str, tuple[str, ...]] = {
    "running": ("queued", "running"), "waiting": ("sleeping", "waiting", "awaiting_approval"), "ended": ("cancelled", "expired"),
}  # fmt: skip


def facet_links(found: Mapping[str, Sequence[FacetValue]], at: Address) -> list[tuple[Words, list[Link]]]:
    """Return the values of each facet that has any, each a link that adds it to the query or takes it away."""
    assert at.term is not None, "facets of a query that was read"
    return [
        (FACET_LABELS[key], [_facet(value, at, at.term) for value in values])
        for key, values in found.items()
        if values
    ]


def _facet(value: FacetValue, at: Address, term: Term) -> Link:
    count = f"{value.count:,}" if value.is_all else f"≥ {value.count:,}"
    return Link(_facet_label(value), at.to(toggled(term, value.key, value.value)), value.is_chosen, count)


def _facet_label(value: FacetValue) -> Words:
    if value.key == "status":
        return RUN[S(value.value)].label if value.value in set(S) else text.line(value.value, 40)
    if value.key == "health" and value.value in HEALTH:
        return HEALTH[value.value].label
    return f"v{value.value}" if value.key == "version" else text.line(value.value, 40)


def zooms(at: Address) -> list[Link]:
    """Return links to some usual lengths of time, and to all of it."""
    if at.term is None:
        return []
    bare = without_key(at.term, *TIME_KEYS)
    links = [(label, added(bare, Filter("created", (Value(since),)))) for since, label in ZOOMS]
    return [
        Link(label, at.to(term), at.is_at(render(term)))
        for label, term in [*links, (gettext("All time"), bare)]
    ]


def chart(found: Histogram, at: Address) -> Chart:
    """Return the bars of the chart; the highest one is as high as the chart."""
    assert at.term is not None, "the chart of a query that was read"
    bare, most = without_key(at.term, *TIME_KEYS), max(bucket.total for bucket in found.buckets) or 1
    width = CHART_WIDTH / len(found.buckets)
    bars = [_bar(bucket, n * width, width, most, at, bare) for n, bucket in enumerate(found.buckets)]
    is_estimate = any(bucket.is_estimate for bucket in found.buckets)
    first, last = found.buckets[0].start, found.buckets[-1].end
    return Chart(bars, first, last, found.is_cut, is_estimate, render(bare))


def _bar(bucket: Bucket, x: float, width: float, most: int, at: Address, bare: Term) -> Bar:
    since, until = time_words(bucket.start), time_words(bucket.end - timedelta(seconds=1))
    href = at.to(f"{render(bare)} created:{since}..{until}".strip())
    by_tone = dict.fromkeys(_TONES, 0)
    for status, count in bucket.counts.items():
        by_tone[RUN[S(status)].tone] += count
    parts, top = [], CHART_HEIGHT
    for tone, count in by_tone.items():
        height = max(_THINNEST, CHART_HEIGHT * count / most) if count else 0.0
        top = max(0.0, top - height)
        parts += [Part(tone, round(top, 2), round(height, 2))] if count else []
    return Bar(round(x + _GAP / 2, 2), round(width - _GAP, 2), parts, _bar_words(bucket), href, since, until)


def _bar_words(bucket: Bucket) -> str:
    start, end = timezone.localtime(bucket.start), timezone.localtime(bucket.end)
    shape = "M j, H:i:s" if (bucket.end - bucket.start).total_seconds() < 60 else "M j, H:i"
    span = f"{date_format(start, shape)} – {date_format(end, shape if start.date() != end.date() else shape[5:])}"
    total = ngettext("%(n)s run", "%(n)s runs", bucket.total) % {"n": f"{bucket.total:,}"}
    each = ", ".join(f"{RUN[S(status)].label} {count:,}" for status, count in sorted(bucket.counts.items()))
    about = "≈ " if bucket.is_estimate else ""
    return f"{span}: {about}{total}" + (f" ({each})" if len(bucket.counts) > 1 else "")


def list_of(query: str) -> str:
    """Return the address of the runs that a query finds."""
    return f"{reverse('runs:list')}?{urlencode({'q': query})}"


def time_words(at: datetime) -> str:
    """Return the instant as a query writes it: in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical(query: str) -> str:
    term = Address(query).term
    return query if term is None else render(term)


def _count(number: int) -> str:
    return f"{COUNT_CAP:,}+" if number >= COUNT_CAP else f"{number:,}"
