"""Stuck runs in words: what they have in common, when it began, what was done, how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agentops.common.query import Filter, Value, render
from runs.engine.states import RunStatus
from runs.models import StuckKind, StuckState
from runs.presenters import text
from runs.presenters.status import HEALTH, RUN, Chip, Words
from runs.selectors.console.odds import Odds
from runs.selectors.console.stuck import Ended, Kind, Onset

CHART_WIDTH, CHART_HEIGHT, GAP, THINNEST = 1000.0, 44.0, 2.0, 3.0

STATES: dict[str, Chip] = {
    "open": Chip(gettext_lazy("Open"), "need", "warning"),
    "resolved": Chip(gettext_lazy("Resolved"), "good", "check"),
    "ignored": Chip(gettext_lazy("Ignored"), "idle", "minus"),
}
RESOLUTIONS: dict[str, Chip] = {
    "moved_on": Chip(gettext_lazy("Moved on"), "good", "check"),
    "resumed": Chip(gettext_lazy("Resumed"), "good", "play"),
    "rewound": Chip(gettext_lazy("Rewound"), "good", "rewind"),
    "wanted": Chip(gettext_lazy("Still wanted"), "good", "star"),
}
DONE: dict[str, Words] = {
    "notify": gettext_lazy("people were told"), "nudge": gettext_lazy("nudged"), "hand_off": gettext_lazy("asked to hand over"),
    "pause": gettext_lazy("paused"), "recall": gettext_lazy("cancelled"), "kill": gettext_lazy("killed"),
    "pause_agent": gettext_lazy("its agent paused"),
}  # fmt: skip
# Which verbs of bulk jobs help, and the runs of the kind that they are for.
REMEDIES: tuple[tuple[str, Words, str, str], ...] = (
    ("resume", gettext_lazy("Resume all"), "play", "is:open"),
    ("retry", gettext_lazy("Retry all that failed"), "retry", "resolution:failed"),
    ("pause", gettext_lazy("Pause all"), "pause", "is:open"),
    ("cancel", gettext_lazy("Cancel all"), "stop", "is:open"),
    ("kill", gettext_lazy("Kill all"), "cross", "is:open"),
)


@dataclass(frozen=True, slots=True)
class OnsetBar:
    """One bar of a chart, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of trouble in the list."""

    kind: StuckKind
    reason: Chip
    where: str
    what: str
    n_open: int
    bars: list[OnsetBar]
    chart_words: str
    href: str


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One episode; `remedies` says what the watch did, `ending` how it ended, None while it goes on."""

    episode: StuckState
    title: str
    agent: str
    status: Chip
    said: str
    remedies: str
    ending: Chip | None
    seconds: float


@dataclass(frozen=True, slots=True)
class EndedRow:
    """How some episodes ended."""

    chip: Chip
    by: str
    n: int
    last_at: datetime
    median_seconds: float


@dataclass(frozen=True, slots=True)
class Remedy:
    """A bulk verb for all runs of a kind, and where its preview stands."""

    label: Words
    icon: str
    href: str


def reason_chip(reason: str) -> Chip:
    return HEALTH.get(reason, Chip(reason.replace("_", " ").capitalize(), "need", "warning"))


def kind_row(found: Kind, *, query: str = "") -> KindRow:
    kind = found.kind
    total = sum(found.onset)
    words = ngettext("%(n)s began in 30 days", "%(n)s began in 30 days", total) % {"n": f"{total:,}"}
    href = reverse("runs:stuck-kind", args=[kind.fingerprint]) + (
        f"?{urlencode({'q': query})}" if query else ""
    )
    return KindRow(
        kind, reason_chip(kind.reason), where_of(kind), text.line(kind.error, 160), found.n_open,
        _bars(found.onset), words, href,
    )  # fmt: skip


def where_of(kind: StuckKind) -> str:
    return text.line(kind.node, 80) or _("any node")


def onset_bars(found: Onset) -> list[OnsetBar]:
    """Return the bars with the times that they stand for."""
    first = found.until - found.step * len(found.counts)
    shape = "M j, H:i" if found.step.days < 1 else "M j"
    said = [date_format(timezone.localtime(first + found.step * n), shape) for n in range(len(found.counts))]
    return _bars(found.counts, said)


def _bars(counts: Sequence[int], said: Sequence[str] = ()) -> list[OnsetBar]:
    most, width = max(counts, default=0) or 1, CHART_WIDTH / max(len(counts), 1)
    bars = []
    for n, count in enumerate(counts):
        height = max(THINNEST, CHART_HEIGHT * count / most) if count else 1.0
        words = f"{said[n]}: {count:,}" if said else f"{count:,}"
        bars.append(
            OnsetBar(
                round(n * width, 1),
                round(CHART_HEIGHT - height, 1),
                round(width - GAP, 1),
                round(height, 1),
                "need" if count else "line",
                words,
            )
        )
    return bars


def episode_row(episode: StuckState, now: datetime) -> EpisodeRow:
    run = episode.run
    ended = episode.to_at or now
    return EpisodeRow(
        episode, text.line(run.title, 100), run.agent.slug, RUN[RunStatus(run.status)], text.line(episode.text, 300),
        _remedies(episode), None if episode.to_at is None else ending_chip(episode.resolution),
        (ended - episode.from_at).total_seconds(),
    )  # fmt: skip


def ended_row(found: Ended) -> EndedRow:
    return EndedRow(
        ending_chip(found.resolution), text.line(found.by, 80), found.n, found.last_at, found.median_seconds
    )


def ending_chip(resolution: str) -> Chip:
    if resolution in set(RunStatus):
        return RUN[RunStatus(resolution)]
    return RESOLUTIONS.get(resolution, Chip(resolution, "idle", "check"))


def remedy_query(fingerprint: str, part: str, query: str = "") -> str:
    """Return which runs a remedy is for: those of the kind that `query` narrows, the inside of stuck(…)."""
    told = render(Filter("fingerprint", (Value(fingerprint),)))
    inside = f"({query})" if " OR " in query else query
    return f"stuck({' '.join(filter(None, (told, part, inside)))})"


def remedies(fingerprint: str, query: str = "") -> list[Remedy]:
    bulk = reverse("runs:bulk")
    return [
        Remedy(
            label,
            icon,
            f"{bulk}?{urlencode({'all': '1', 'q': remedy_query(fingerprint, part, query), 'verb': verb})}",
        )
        for verb, label, icon, part in REMEDIES
    ]


def _remedies(episode: StuckState) -> str:
    """Return what was done, in a line; what was refused is left out."""
    taken: list[dict[str, Any]] = episode.taken
    return ", ".join(str(DONE.get(it["do"], it["do"])) for it in taken if not it.get("note"))


def odds_words(found: Odds | None) -> str:
    """Return success per step and the pⁿ that it implies, in a sentence; empty while nothing is known."""
    if found is None:
        return ""
    told = {
        "step": f"{100 * found.step:.1f} %", "n": f"{found.n_steps:,}", "implied": f"{100 * found.implied:.0f} %",
        "actual": f"{100 * found.actual:.0f} %", "runs": f"{found.n_runs:,}",
    }  # fmt: skip
    return (
        _(
            "%(step)s of its steps succeed at the first try. At %(n)s steps a run, %(implied)s of its runs would succeed if nothing"
            " were tried again; of the newest %(runs)s, %(actual)s did."
        )
        % told
    )
