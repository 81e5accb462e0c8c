"""What a page costs: the same number of queries and about the same bytes, however long the run or the list."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import AgentVersion
from runs.selectors.console import overview
from tests.ui import stories
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db
PAGE_BYTES = 250_000
FOLDED_NAMES = 4
MORE_WHEN_FAR_DOWN = 4


def queries(ada: Client, address: str) -> int:
    ada.get(address)  # what is asked for once a process is not the page's
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert ada.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("n_names", [1, 3, 97])
def test_a_page_of_a_long_run_takes_no_more_queries(ada: Client, version: AgentVersion, n_names: int) -> None:
    short = stories.a_long_run(version, 100, n_names=n_names)
    long = stories.a_long_run(version, 2000, n_names=n_names)
    for part, at_most in {
        "": 32, "/steps/{seq}": 34, "/tree/rows?after=21": 12, "/tree/inside?parent=0&first=1&last=99&level=2": 10, "/state": 16,
        "/log": 14,
    }.items():  # fmt: skip
        for_short, for_long = (
            queries(ada, f"/runs/{run.id}{part.format(seq=run.node_seq)}") for run in (short, long)
        )
        # A step far down a tree that does not fold is looked for first in the stretch from the top.
        assert for_long <= for_short + (MORE_WHEN_FAR_DOWN if n_names > FOLDED_NAMES else 0), part
        assert for_long <= at_most, part


def test_a_long_list_takes_no_more_queries(ada: Client, version: AgentVersion) -> None:
    RunBuilder(version).save()
    few = queries(ada, "/runs")
    for _ in range(60):
        RunBuilder(version).save(status="sleeping", health=["retrying"])
    assert queries(ada, "/runs") <= few
    assert few <= 16  # three of them are for the badges of the frame: approvals, notices, what is stuck


@pytest.mark.parametrize("n_names", [1, 97])
def test_a_page_of_thousands_of_steps_stays_small(ada: Client, version: AgentVersion, n_names: int) -> None:
    run = stories.a_long_run(version, 5_000, n_names=n_names)
    assert len(ada.get(f"/runs/{run.id}").content) <= PAGE_BYTES
    assert len(ada.get(f"/runs/{run.id}/steps/1").content) <= PAGE_BYTES
    assert (
        len(ada.get(f"/runs/{run.id}/tree/inside?parent=0&first=1&last=4999&level=2").content) <= PAGE_BYTES
    )


@pytest.mark.parametrize("n_names", [1, 97])
def test_a_run_that_is_summed_up_takes_no_more_queries(
    ada: Client, version: AgentVersion, monkeypatch: pytest.MonkeyPatch, n_names: int
) -> None:
    monkeypatch.setattr(overview, "KEPT_STEPS", 1 << 40)
    short = queries(ada, f"/runs/{stories.a_long_run(version, 100, n_names=n_names).id}")
    monkeypatch.setattr(overview, "KEPT_STEPS", 64)
    assert queries(ada, f"/runs/{stories.a_long_run(version, 3000, n_names=n_names).id}") <= short


def test_pages_about_states_and_words_take_few_queries(ada: Client, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 2000, n_names=97)
    for address, at_most in {
        "diff/1..1999": 22, "state?at=/done": 28, "find?q=asyncio": 24, "raw": 24, "raw?after=1000": 24,
    }.items():  # fmt: skip
        assert queries(ada, f"/runs/{run.id}/{address}") <= at_most, address
