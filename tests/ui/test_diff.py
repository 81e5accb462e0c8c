"""What differs between two checkpoints, as its page tells it."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from runs.models import AgentVersion, Checkpoint, Run
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

SAID = [
    {"role": "user", "content": "Which pages cite asyncio?"},
    {"role": "assistant", "content": "I will look.\nOne moment."},
]


def a_run(version: AgentVersion, *deltas: list[Any], state: dict[str, Any] | None = None) -> Run:
    """A run whose nodes, at the seqs 1, 2, …, leave these deltas."""
    builder = RunBuilder(version, state=state or {"root": "https://docs.example.org/"})
    for number, delta in enumerate(deltas, 1):
        builder.node(f"n{number}", delta=delta)
    return builder.save()


def cards(page: BeautifulSoup) -> dict[str, str]:
    """Return the cards by the place they name: what they say of it."""
    return {words(one(card, "h3")): words(one(card, ".diff")) for card in page.select(".diff-card")}


def test_each_place_says_what_was_and_what_is(see: See, version: AgentVersion) -> None:
    run = a_run(
        version,
        [["set", "/n", 1], ["set", "/gone", "x"]],
        [["set", "/n", 2], ["remove", "/gone", None], ["set", "/new", True]],
    )
    page = see(f"/runs/{run.id}/diff/1..2")
    assert cards(page) == {"/n": "1 2", "/gone": "x", "/new": "true"}
    assert words(one(page, ".diff-sums")).startswith("1 Added 1 Removed 1 Changed 3 places")
    assert [words(place) for place in page.select(".diff-places a")] == ["/gone", "/n", "/new"] or len(
        page.select(".diff-places a")
    ) == 3


def test_what_was_moved_says_from_where(see: See, version: AgentVersion) -> None:
    todo = [{"url": "https://a.example/"}, {"url": "https://b.example/"}]
    run = a_run(
        version,
        [["set", "/todo", todo], ["set", "/done", []]],
        [["remove", "/todo/0", None], ["append", "/done", todo[:1]]],
    )
    card = one(see(f"/runs/{run.id}/diff/1..2"), ".diff-card")
    assert "Moved" in words(card)
    assert "/done/0" in words(card)
    assert "from /todo/0" in words(card)


def test_a_conversation_shows_who_said_what(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/messages", SAID[:1]]], [["append", "/messages", SAID[1:]]])
    page = see(f"/runs/{run.id}/diff/1..2")
    assert words(one(page, ".diff-card .who")) == "assistant"
    assert [words(line) for line in page.select(".diff-card .piece > .a")] == ["I will look.", "One moment."]


def test_a_changed_text_shows_the_words_that_differ(see: See, version: AgentVersion) -> None:
    text = "\n".join(f"line {n} of the report" for n in range(50))
    run = a_run(
        version,
        [["set", "/report", text]],
        [["set", "/report", text.replace("line 30 of", "line thirty of")]],
    )
    page = see(f"/runs/{run.id}/diff/1..2")
    assert [words(mark) for mark in page.select(".diff mark")] == ["30", "thirty"]
    assert "28 lines that stayed" in words(one(page, ".diff-card"))
    assert "line 3 of" not in words(one(page, ".diff-card"))


def test_many_values_in_one_place_stand_together_and_can_all_be_seen(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/pages", []]], [["append", "/pages", [{"n": n} for n in range(40)]]])
    card = one(see(f"/runs/{run.id}/diff/1..2"), ".diff-card")
    assert "40 values" in words(card)
    more = one(card, ".more a")
    assert words(more) == "… 35 more"
    whole = one(see(f"/runs/{run.id}/diff/1..2{attribute(more, 'href')}".split("#")[0]), "#c1")
    assert not whole.select(".more")
    assert len(whole.select(".piece")) == 40


def test_more_places_than_a_page_holds_are_counted_and_reached(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", f"/k{n:03}", n] for n in range(130)])
    page = see(f"/runs/{run.id}/diff/0..1")
    assert "places 1 to 60 of 130" in words(page)
    last = see(f"/runs/{run.id}/diff/0..1?from=121")
    assert len(last.select(".diff-card")) == 10
    see(f"/runs/{run.id}/diff/0..1?from=131", status=404)


def test_two_runs_are_compared_and_both_are_named(see: See, version: AgentVersion) -> None:
    mine, theirs = (a_run(version, [["set", "/n", n]]) for n in (1, 2))
    page = see(f"/runs/{mine.id}/diff/1..{theirs.id}:1")
    assert cards(page) == {"/n": "1 2"}
    assert page.select_one(f".diff-side a[href='/runs/{theirs.id}']")
    swap = one(page, f"a[href='/runs/{theirs.id}/diff/1..{mine.id}:1']")
    assert cards(see(attribute(swap, "href"))) == {"/n": "2 1"}


def test_a_run_of_another_team_is_not_there(see: See, version: AgentVersion) -> None:
    mine = a_run(version, [["set", "/n", 1]])
    theirs = a_run(builders.an_agent(builders.a_team("others")), [["set", "/n", 2]])
    see(f"/runs/{mine.id}/diff/0..{theirs.id}:1", status=404)
    see(f"/runs/{theirs.id}/diff/0..1", status=404)


def test_neighbours_are_one_link_away(see: See, version: AgentVersion) -> None:
    run = a_run(version, *([["set", "/n", n]] for n in range(5)))
    page = see(f"/runs/{run.id}/diff/2..3")
    assert attribute(one(page, "[data-key='[']"), "href") == f"/runs/{run.id}/diff/1..2"
    assert attribute(one(page, "[data-key=']']"), "href") == f"/runs/{run.id}/diff/3..4"
    assert cards(see(f"/runs/{run.id}/diff/2..2")) == {}
    assert "The two states are the same." in words(see(f"/runs/{run.id}/diff/2..2"))


def test_a_step_without_a_checkpoint_says_so(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=4)
    assert "step 2 left no checkpoint" in words(one(see(f"/runs/{run.id}/diff/2..5"), ".diff-sides"))


def test_the_form_leads_to_the_comparison(ada: Client, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", 1]], [["set", "/n", 2]])
    asked = {
        "": f"/runs/{run.id}/diff/1..2",
        "?a=0&b=1": f"/runs/{run.id}/diff/0..1",
        f"?a=1&b={run.id}:2": f"/runs/{run.id}/diff/1..2",
    }
    for query, address in asked.items():
        assert ada.get(f"/runs/{run.id}/diff{query}").headers["Location"] == address
    for wrong in ("?b=x", "?b=-1", "?b=1:2", f"?b={'9' * 40}"):
        assert ada.get(f"/runs/{run.id}/diff{wrong}").status_code == 400


def test_a_state_that_cannot_be_trusted_is_not_compared(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", 1]], [["set", "/n", 2]])
    Checkpoint.objects.filter(run=run, seq=2).update(body=b"[]", codec=0)
    page = see(f"/runs/{run.id}/diff/1..2")
    assert "cannot be trusted" in words(page)
    assert not page.select(".diff-card")


def test_what_an_agent_wrote_stays_text(ada: Client, version: AgentVersion) -> None:
    run = stories.a_hostile_run(version)
    html = ada.get(f"/runs/{run.id}/diff/0..1").content.decode()
    assert "&lt;script&gt;alert(1)" in html
    assert "<img" not in html
    assert chr(0x202E) not in html
