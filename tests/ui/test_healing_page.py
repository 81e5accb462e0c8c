"""Healing on the run's pages: which rung was taken, why, what it led to, in tree, story, inspector, lanes and notes."""

import pytest
from django.test import Client

from agentops.accounts.models import Team
from runs.models import Branch, Run
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from tests import ledger
from tests.healing import asked
from tests.runs import a_run, a_worker, claim, drive
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db
HOSTILE = "<b>it</b>"


def calls(n: int, code: str = "flaky") -> dict[str, object]:
    return {"calls": [["test.until", {"entry": HOSTILE, "n": n, "code": code}]]}


@pytest.fixture
def team_with_programs(team: Team) -> Team:
    ledger.create()
    register_programs(team_id=team.pk)
    return team


@pytest.fixture
def healed(team_with_programs: Team) -> Run:
    """A run whose `work` failed twice, at 4 and 6, and went well at the third rung, at 8."""
    return drive(a_run("test-climbs", calls(2), team=team_with_programs))


def firsts(run: Run) -> list[int]:
    return list(Branch.objects.filter(run=run).order_by("number").values_list("first_seq", flat=True))


def test_the_tree_marks_the_node_that_a_rung_began_and_keeps_what_was_left(see: See, healed: Run) -> None:
    page = see(f"/runs/{healed.pk}")
    tree = words(one(page, "#tree"))
    assert tree.count("rung 1 of 1") == 2
    assert tree.count("Failed") >= 2


def test_the_inspector_says_what_was_tried_next_and_instead_of_what(see: See, healed: Run) -> None:
    first, second = firsts(healed)
    left = one(see(f"/runs/{healed.pk}/steps/{first}"), ".rungs")
    told = words(left)
    failure = words(one(see(f"/runs/{healed.pk}/steps/{first}"), ".insp .fail"))
    assert failure.startswith(f"test.until failed after 1 attempt: {HOSTILE} broke")
    assert "The run went on another way." in failure
    assert "Begun by rung 1 of 1: try again after 30 s (1 of 3)" in told
    assert "Then: rung 1 of 1: try again after 60 s (2 of 3)" in told
    assert f"Because test.until failed after 1 attempt: {HOSTILE} broke (flaky)." in told
    assert [attribute(link, "href") for link in left.select("a")] == [
        f"/runs/{healed.pk}/steps/{seq}" for seq in (3, second)
    ]


def test_the_inspector_says_which_rungs_were_of_no_use(see: See, team_with_programs: Team) -> None:
    run = drive(a_run("test-climbs", calls(9, "gone"), team=team_with_programs))
    told = words(one(see(f"/runs/{run.pk}/steps/{firsts(run)[0]}"), ".rungs"))
    assert "Passed over: another tool: test.nowhere is not installed." in told
    assert "another tool" in words(one(see(f"/runs/{run.pk}"), "#tree"))


def test_the_story_and_the_lanes_tell_it(see: See, healed: Run) -> None:
    story = words(one(see(f"/runs/{healed.pk}/story"), "main"))
    assert story.count("It healed itself at step") == 2
    assert "rung 1 of 1: try again after 30 s (1 of 3), because test.until failed" in story
    lanes = words(one(see(f"/runs/{healed.pk}/branches"), "main"))
    assert lanes.count("Healed itself from step") == 2


def test_while_it_waits_to_try_again_the_page_says_why_and_until_when(
    see: See, team_with_programs: Team
) -> None:
    run = a_run("test-climbs", calls(9), team=team_with_programs)
    advance(claim(a_worker()))
    notes = words(one(see(f"/runs/{run.pk}"), "main"))
    assert "work failed; it heals itself." in notes
    assert "rung 1 of 1: try again after 30 s (1 of 3), because" in notes
    assert asked(HOSTILE) == 1


def test_a_run_that_no_rung_could_heal_says_how_far_it_went(see: See, team_with_programs: Team) -> None:
    run = drive(a_run("test-climbs", calls(99), team=team_with_programs))
    assert "Healing tried 3 rungs, the last: rung 1 of 1: try again after 120 s (3 of 3)." in words(
        one(see(f"/runs/{run.pk}"), "main")
    )


def test_the_api_tells_of_each_rung(ada: Client, healed: Run) -> None:
    found = ada.get(f"/api/v1/runs/{healed.pk}/branches").json()["branches"]
    assert found[0]["rung"] is None
    assert found[2]["rung"] | {"passed": None} == {
        "rule": 2, "rung": 0, "of": 1, "n": 2, "do": "retry", "node": "work", "seq": firsts(healed)[0], "code": "flaky",
        "tool": "test.until", "wait_seconds": 60.0, "passed": None,
    }  # fmt: skip
