"""The figures that people compare: medians over passes, and a missing one says so."""

from typing import Any

from benchmarks.figures import percentile
from benchmarks.report import table


def line(variant: str, value: float | None) -> dict[str, Any]:
    return {"workload": "W1", "variant": variant, "metric": "commits", "value": value, "unit": "1/s"}


def test_a_row_is_the_median_of_the_passes_with_their_range() -> None:
    shown = table([line("product", 3.0), line("peer", 7.0), line("product", 1000.0), line("product", 2.0)])
    assert "| W1 | commits | product | 3.0 1/s | 2.0 to 1,000.0 | 3 |" in shown
    assert "| W1 | commits | peer | 7.0 1/s | 7.0 to 7.0 | 1 |" in shown


def test_what_did_not_happen_in_one_pass_is_no_median_of_the_others() -> None:
    assert "| product | never | 2.0 to 2.0 | 2 |" in table([line("product", None), line("product", 2.0)])


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([5.0, 1.0, 3.0, 2.0], at) for at in (0, 25, 50, 75, 99, 100)] == [1, 1, 2, 3, 5, 5]
