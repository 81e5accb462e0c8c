"""What was spent on models, drawn: a bar for each day, and one for each agent and model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.presenters import text
from runs.selectors.budgets import Spend

WIDTH, HEIGHT = 1000, 120


@dataclass(frozen=True, slots=True)
class DayBar:
    """A bar of the chart, in its coordinates; `words` say what it stands for."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What each day cost; `most` is what the highest bar stands for, `total` all of them."""

    bars: list[DayBar]
    most: str
    total: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Share:
    """A row of the lists: `percent` of the dearest one."""

    name: str
    cost: str
    calls: str
    tokens: str
    percent: float
    unpriced: str


def chart_of(spent: Sequence[Spend], *, last: date, days: int, agent: str = "") -> Chart:
    """Return the chart of the `days` up to `last`; of one agent, when told."""
    first = last - timedelta(days=days - 1)
    sums = {first + timedelta(days=n): 0 for n in range(days)}
    for one in spent:
        if one.day in sums and (not agent or one.name == agent):
            sums[one.day] += one.cost_microusd
    most = max(sums.values(), default=0)
    step = WIDTH / days
    bars = [_bar(n, day, cost, step, most) for n, (day, cost) in enumerate(sums.items())]
    return Chart(bars, text.money(most), text.money(sum(sums.values())), first, last)


def shares_of(spent: Sequence[Spend]) -> list[Share]:
    """Return the rows of a list, in their order."""
    most = max((one.cost_microusd for one in spent), default=0)
    return [
        Share(
            text.line(one.name, 100), text.money(one.cost_microusd), text.number(one.n_calls), text.number(one.tokens),
            round(100 * one.cost_microusd / most, 1) if most else 0.0, _unpriced(one.n_unpriced),
        )
        for one in spent
    ]  # fmt: skip


def _bar(n: int, day: date, cost: int, step: float, most: int) -> DayBar:
    height = max(HEIGHT * cost / most, 2.0) if cost and most else 0.0
    words = _("%(day)s: %(cost)s") % {"day": f"{day:%Y-%m-%d}", "cost": text.money(cost)}
    return DayBar(
        round(n * step + step * 0.1, 2),
        round(HEIGHT - height, 2),
        round(step * 0.8, 2),
        round(height, 2),
        words,
    )


def _unpriced(n: int) -> str:
    if not n:
        return ""
    return ngettext("%(n)s call without a known price", "%(n)s calls without a known price", n) % {
        "n": text.number(n)
    }
