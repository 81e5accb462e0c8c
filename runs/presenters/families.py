"""Many runs together, of a run or a batch: how far they are, in words and as a bar, and by status."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from runs.engine.states import RunStatus
from runs.models import Run
from runs.presenters import status, text
from runs.presenters.run_list import Meter
from runs.presenters.status import Chip
from runs.selectors.children import ChildCounts, all_children


class Counts(Protocol):
    """How many runs are in each status."""

    @property
    def counts(self) -> Mapping[RunStatus, int]: ...
    @property
    def total(self) -> int: ...
    @property
    def n_ended(self) -> int: ...
    @property
    def n_failed(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Share:
    """The runs in one status: how many, and where they are listed."""

    chip: Chip
    n: int
    href: str
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Where the runs are that a step started, and how far."""

    href: str
    words: str
    tone: str


@dataclass(frozen=True, slots=True)
class Family:
    """What the head of a run says of its parents and children; `meter` is None without children."""

    ancestors: list[tuple[Run, str]]
    n_children: int
    meter: Meter | None


def family_of(ancestors: list[Run], children: Mapping[int, ChildCounts]) -> Family:
    """Return the family: each ancestor with its title, the root first, and how far the children of all steps are."""
    together = all_children(children.values())
    titled = [(run, text.line(run.title, 60)) for run in ancestors]
    return Family(titled, together.total, meter_of(together) if together.total else None)


def meter_of(counts: Counts) -> Meter:
    """Return how many of the runs have ended, as `312 of 1,000 done, 3 failed`."""
    percent = 100 * counts.n_ended / counts.total if counts.total else 0.0
    is_over = counts.n_ended == counts.total
    tone = ("need" if counts.n_failed else "good") if is_over else "move"
    return Meter(round(percent, 1), tone, words_of(counts))


def words_of(counts: Counts) -> str:
    words = _("%(done)s of %(total)s done") % {
        "done": text.number(counts.n_ended),
        "total": text.number(counts.total),
    }
    if not counts.n_failed:
        return words
    return _("%(words)s, %(n)s failed") % {"words": words, "n": text.number(counts.n_failed)}


def link_to_children(run: Run, seq: int, counts: ChildCounts | None) -> Link | None:
    """Return the link from a step to the run that it started, or to the list of them."""
    if counts is None:
        return None
    if counts.total == 1:
        [(found, _n)] = counts.counts.items()
        chip = status.RUN[found]
        return Link(reverse("runs:run", args=[counts.any_id]), str(chip.label), chip.tone)
    meter = meter_of(counts)
    return Link(f"{reverse('runs:children', args=[run.pk])}?seq={seq}", meter.words, meter.tone)


def shares_of_children(
    run: Run, counts: Counts, chosen: Collection[str], seq: int | None = None
) -> list[Share]:
    """Return the statuses of a run's children with the address of each in the list of children."""
    at = reverse("runs:children", args=[run.pk])
    return [
        Share(
            status.RUN[found],
            n,
            f"{at}?{urlencode({'status': found.value, **({'seq': seq} if seq else {})})}",
            found in chosen,
        )
        for found, n in _ordered(counts)
    ]


def shares_of_batch(name: str, counts: Counts) -> list[Share]:
    """Return the statuses of a batch's runs with the address of each in the list of runs."""
    return [
        Share(status.RUN[found], n, list_of_batch(name, f" status:{found}")) for found, n in _ordered(counts)
    ]


def list_of_batch(name: str, more: str = "") -> str:
    """Return where the runs of a batch are listed."""
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{reverse('runs:list')}?q={quote(f'batch:{quoted}{more}')}"


def _ordered(counts: Counts) -> list[tuple[RunStatus, int]]:
    """Return the statuses that runs are in, the most telling first."""
    first = (RunStatus.FAILED, RunStatus.EXPIRED, RunStatus.AWAITING_APPROVAL, RunStatus.PAUSED)
    order = [*first, *(found for found in RunStatus if found not in first)]
    return [(found, counts.counts[found]) for found in order if counts.counts.get(found)]
