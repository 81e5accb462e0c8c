"""Two runs side by side."""

import pytest
from django.test import Client

from runs.models import AgentVersion, Run
from tests.ui import stories
from tests.ui.builders import Action, RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import one, words
from tests.ui.test_page_cost import queries

pytestmark = pytest.mark.django_db


def a_walk(version: AgentVersion, *results: object, title: str = "Walk", n: int = 0) -> Run:
    """A run that looks `n` times and then once for each of the results."""
    builder = RunBuilder(version, title=title)
    for result in [*range(n), *results]:
        builder.node(
            "look", actions=[Action(args={"at": 1}, output=result)], delta=[["set", "/seen", str(result)]]
        )
    return builder.save(status="succeeded")


def verdicts(page: object) -> list[str]:
    return [words(row) for row in page.select("#pairs tbody tr:not(.of)")]  # type: ignore[attr-defined]


def test_it_names_the_first_divergence_and_folds_what_is_the_same(see: See, version: AgentVersion) -> None:
    a, b = a_walk(version, "x", "z", n=30), a_walk(version, "y", "z", n=30)
    page = see(f"/compare?a={a.pk}&b={b.pk}")
    told = words(one(page, "#divergence"))
    assert "They part at look , step 61 of A and 61 of B: the same calls, another result." in told
    assert "30 steps before it are the same." in told
    assert one(page, f"#divergence a[href='/runs/{a.pk}/diff/61..{b.pk}:61']")
    assert "Other result" in verdicts(page)[0]
    whole = see(f"/compare?a={a.pk}&b={b.pk}&after=0.0")
    assert verdicts(whole)[0].startswith("30 steps the same")
    assert see(one(page, "#divergence a")["href"]).select(".diff-cards")


def test_a_step_that_one_run_lacks_does_not_make_all_behind_it_differ(
    see: See, version: AgentVersion
) -> None:
    a, b = RunBuilder(version), RunBuilder(version)
    for builder, names in ((a, ["plan", "read", "check", "write"]), (b, ["plan", "read", "write", "tell"])):
        for name in names:
            builder.node(name, delta=[["set", "/at", name]])
    page = see(f"/compare?a={a.save(status='succeeded').pk}&b={b.save(status='succeeded').pk}")
    assert [row.split()[0] for row in verdicts(page)] == ["check", "write", "tell"]
    assert "Only in A" in verdicts(page)[0]
    assert "Only in B" in verdicts(page)[2]
    assert "step 3 of A, check , which B does not have" in words(one(page, "#divergence"))


def test_equal_runs_are_told_to_be_equal(see: See, version: AgentVersion) -> None:
    a, b = a_walk(version, n=3), a_walk(version, n=3)
    assert "All 3 steps are the same" in words(see(f"/compare?a={a.pk}&b={b.pk}"))


def test_without_two_runs_it_asks_for_them(see: See, version: AgentVersion) -> None:
    a, b = a_walk(version, n=1), a_walk(version, n=2, title="Another")
    assert one(see("/compare"), "form input#a")
    assert one(see(f"/compare?a=http://here/runs/{a.pk}"), f"a[href='/compare?a={a.pk}&b={b.pk}']")
    assert "This is no id of a run." in words(see("/compare?a=nonsense", status=404))
    gone = "00000000-0000-7000-8000-000000000000"
    assert "no run with this id" in words(see(f"/compare?a={gone}&b={b.pk}", status=404))


def test_two_that_were_selected_in_the_list_are_compared(ada: Client, version: AgentVersion) -> None:
    ids = sorted(str(a_walk(version, n=1).pk) for _ in range(2))
    address = f"/compare?run={ids[1]}&run={ids[0]}"
    assert ada.get(address)["Location"] == f"/compare?a={ids[0]}&b={ids[1]}"
    assert "Select exactly two" in ada.get(f"/compare?run={ids[0]}").content.decode()


def test_long_runs_take_no_more_queries(ada: Client, version: AgentVersion) -> None:
    short = [stories.a_long_run(version, 100, n_names=97) for _ in range(2)]
    long = [stories.a_long_run(version, 2000, n_names=97) for _ in range(2)]
    few, more = (queries(ada, f"/compare?a={a.pk}&b={b.pk}") for a, b in (short, long))
    assert more == few <= 24
