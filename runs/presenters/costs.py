"""What was spent on models, drawn: a bar for each day, and one for each agent and model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

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
    """What each day cost; `most` is what the highest bar stands for, `total` all of them. Where nothing cost anything: tokens."""

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
    shown = [one for one in spent if not agent or one.name == agent]
    is_free = not any(one.cost_microusd for one in shown)
    words = _tokens if is_free else text.money
    sums = {first + timedelta(days=n): 0 for n in range(days)}
    for one in shown:
        if one.day in sums:
            sums[one.day] += one.tokens if is_free else one.cost_microusd
    most, step = max(sums.values(), default=0), WIDTH / days
    bars = [
        _bar(n, f"{day:%Y-%m-%d}: {words(amount)}", amount, step, most)
        for n, (day, amount) in enumerate(sums.items())
    ]
    return Chart(bars, words(most), words(sum(sums.values())), first, last)


def shares_of(spent: Sequence[Spend]) -> list[Share]:
    """Return the rows of a list, in their order."""
    is_free = not any(one.cost_microusd for one in spent)
    amounts = [one.tokens if is_free else one.cost_microusd for one in spent]
    most = max(amounts, default=0)
    return [
        Share(
            text.line(one.name, 100), text.money(one.cost_microusd), text.number(one.n_calls), text.number(one.tokens),
            round(100 * amount / most, 1) if most else 0.0, _unpriced(one.n_unpriced),
        )
        for one, amount in zip(spent, amounts, strict=True)
    ]  # fmt: skip


def _bar(n: int, words: str, amount: int, step: float, most: int) -> DayBar:
    height = max(HEIGHT * amount / most, 2.0) if amount and most else 0.0
    return DayBar(
        round(n * step + step * 0.1, 2),
        round(HEIGHT - height, 2),
        round(step * 0.8, 2),
        round(height, 2),
        words,
    )


def _tokens(n: int) -> str:
    return ngettext("%(n)s token", "%(n)s tokens", n) % {"n": text.number(n)}


def _unpriced(n: int) -> str:
    if not n:
        return ""
    return ngettext("%(n)s call without a known price", "%(n)s calls without a known price", n) % {
        "n": text.number(n)
    }
