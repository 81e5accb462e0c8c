"""The numbers of a dashboard in words, bars and links: each leads to the runs that it was counted from."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from runs.presenters import text
from runs.presenters.run_search import Part, list_of, time_words
from runs.presenters.times import age, duration
from runs.selectors.console.dashboard import MAX_RUNS, Numbers, Queue, Tally
from runs.selectors.system import SystemStatus

WIDTH, HEIGHT = 1000, 88
GAP = 2.0
THINNEST = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A time to look at: `n` stretches of `step_seconds` up to now."""

    label: str | Promise
    key: str
    n: int
    step_seconds: int


SPANS = (
    Span(gettext_lazy("24 hours"), "24h", 24, 3600),
    Span(gettext_lazy("7 days"), "7d", 28, 6 * 3600),
    Span(gettext_lazy("30 days"), "30d", 30, 24 * 3600),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One number: what it is called, the number, what else there is to say, and where it comes from."""

    label: str
    value: str
    more: str
    href: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A bar: where it stands, what it stands for in words, and the runs that it counts."""

    x: float
    width: float
    pieces: list[Part]
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    """How one agent's runs did; `share` is how much of them succeeded, of a hundred, None when none has ended."""

    slug: str
    href: str
    failed_href: str
    n: str
    failed: str
    is_open: str
    share: int | None
    p50: str
    p95: str
    cost: str


def span_of(key: str) -> Span:
    """Return the span that the address names, the first when it names none."""
    return next((span for span in SPANS if span.key == key), SPANS[0])


def edges_of(span: Span, now: datetime) -> list[datetime]:
    """Return the ends of the stretches, whole hours or days of the reader's zone; the last lies after `now`."""
    local = timezone.localtime(now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    step = timedelta(seconds=span.step_seconds)
    end = midnight + step * (int((local - midnight).total_seconds() // span.step_seconds) + 1)
    return [end - step * n for n in range(span.n, -1, -1)]


def tiles_of(found: Numbers, queue: Queue, system: SystemStatus) -> list[Tile]:
    """Return the numbers at the top."""
    total, since = found.total, _since(found)
    return [
        _success(total, since),
        Tile(_("Took"), duration(total.p50_seconds), _slowest(total),
             list_of(f"{since} status:succeeded,failed sort:-duration")),
        Tile(_("Spent"), text.money(total.cost_microusd), _tokens(total.tokens), reverse("budgets:costs")),
        _queue(queue),
        _workers(system),
    ]  # fmt: skip


def stretches_of(found: Numbers) -> list[Stretch]:
    """Return the bars: what came to an end well or badly, was stopped, or goes on."""
    most = max((tally.n for tally in found.slots), default=0) or 1
    step = WIDTH / len(found.slots)
    return [_stretch(n * step, step, found.edges[n], found.edges[n + 1], tally, most) for n, tally in enumerate(found.slots)]  # fmt: skip


def line_of(found: Numbers, share: str) -> str:
    """Return the points of a curve of `p50_seconds` or `p95_seconds` over the stretches; empty where nothing ended."""
    known = [getattr(tally, share) for tally in found.slots]
    most = max((tally.p95_seconds or 0.0 for tally in found.slots), default=0.0)
    step = WIDTH / len(known)
    points = [(n * step + step / 2, HEIGHT - 4 - (HEIGHT - 8) * value / most) for n, value in enumerate(known) if value is not None and most]  # fmt: skip
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def longest_of(found: Numbers) -> str:
    """Return what the top of the curves stands for."""
    return duration(max((tally.p95_seconds or 0.0 for tally in found.slots), default=0.0))


def agent_rows(found: Numbers) -> list[AgentRow]:
    return [_agent(slug, tally, _since(found)) for slug, tally in found.agents]


def cut_words(found: Numbers) -> str:
    """Return what to say when not all runs were looked at; empty when they were."""
    return _("of the newest %(n)s runs") % {"n": text.number(MAX_RUNS)} if found.is_cut else ""


def _success(total: Tally, since: str) -> Tile:
    share = total.success
    value = "–" if share is None else f"{100 * share:.{0 if share in (0, 1) else 1}f} %"
    more = ngettext("%(n)s run, %(bad)s failed", "%(n)s runs, %(bad)s failed", total.n) % {
        "n": text.number(total.n), "bad": text.number(total.n_failed),
    }  # fmt: skip
    tone = "bad" if total.n_failed else ""
    return Tile(
        _("Succeeded"), value, more, list_of(f"{since} status:failed" if total.n_failed else since), tone
    )


def _slowest(total: Tally) -> str:
    if total.p95_seconds is None:
        return _("none has ended")
    return _("95 %% within %(time)s") % {"time": duration(total.p95_seconds)}


def _queue(queue: Queue) -> Tile:
    oldest = (
        _("the oldest for %(age)s") % {"age": age(queue.oldest_seconds)} if queue.n else _("nothing waits")
    )
    value = f"{text.number(queue.n)}+" if queue.n >= MAX_RUNS else text.number(queue.n)
    return Tile(_("Queued"), value, oldest, list_of("status:queued"))


def _workers(system: SystemStatus) -> Tile:
    slots = sum(worker.slots for worker in system.workers)
    clock = _("clock on time") if system.is_clock_on_time else _("clock late")
    words = ngettext("%(n)s slot", "%(n)s slots", slots) % {"n": text.number(slots)}
    tone = "" if system.workers and system.is_clock_on_time else "bad"
    return Tile(
        _("Workers"), text.number(len(system.workers)), f"{words}, {clock}", reverse("runs:limits"), tone
    )


def _tokens(n: int) -> str:
    return ngettext("%(n)s token", "%(n)s tokens", n) % {"n": text.number(n)}


def _stretch(x: float, step: float, start: datetime, end: datetime, tally: Tally, most: int) -> Stretch:
    counts = (
        ("good", tally.n_succeeded),
        ("bad", tally.n_failed),
        ("idle", tally.n_stopped),
        ("move", tally.n_open),
    )
    pieces, top = [], float(HEIGHT)
    for tone, count in counts:
        height = max(THINNEST, (HEIGHT - 4) * count / most) if count else 0.0
        top -= height
        pieces += [Part(tone, round(max(top, 0.0), 2), round(height, 2))] if count else []
    href = list_of(f"created:{time_words(start)}..{time_words(end - timedelta(seconds=1))}")
    return Stretch(round(x + GAP / 2, 2), round(step - GAP, 2), pieces, _words(start, end, tally), href)


def _words(start: datetime, end: datetime, tally: Tally) -> str:
    begins, ends = timezone.localtime(start), timezone.localtime(end)
    span = f"{date_format(begins, 'M j, H:i')} – {date_format(ends, 'H:i')}"
    told = [(_("succeeded"), tally.n_succeeded), (_("failed"), tally.n_failed), (_("stopped"), tally.n_stopped), (_("open"), tally.n_open)]  # fmt: skip
    return f"{span}: " + (", ".join(f"{text.number(n)} {word}" for word, n in told if n) or _("no runs"))


def _agent(slug: str, tally: Tally, since: str) -> AgentRow:
    share = tally.success
    mine = f"agent:{slug} {since}"
    return AgentRow(
        slug, list_of(mine), list_of(f"{mine} status:failed"), text.number(tally.n), text.number(tally.n_failed) if tally.n_failed else "",
        text.number(tally.n_open) if tally.n_open else "", None if share is None else round(100 * share),
        duration(tally.p50_seconds), duration(tally.p95_seconds), text.money(tally.cost_microusd),
    )  # fmt: skip


def _since(found: Numbers) -> str:
    return f"created:>={time_words(found.edges[0])}"
