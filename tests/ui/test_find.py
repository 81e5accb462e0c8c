"""Finding words in a run."""

import pytest
from django.test import Client

from runs.models import AgentVersion
from runs.selectors.console import find
from tests.ui import builders, stories
from tests.ui.builders import Action, RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def hits(page: object) -> list[str]:
    return [words(row) for row in page.select("li:has(> .snip)")]  # type: ignore[attr-defined]


def test_words_are_found_wherever_they_stand(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    b.node("Zebra", summary="nothing")
    b.node("a", logs=[("info", "a zebra crossed")])
    b.node("b", actions=[Action(args={"q": "zebra"}, output={})], tries=[("x", "zebra timed out")])
    b.node("c", actions=[Action(output={"text": 'say "ZEBRA"'})], delta=[["set", "/animals", ["zebra"]]])
    page = see(f"/runs/{b.save().id}/find?q=zebra")
    assert [(row.split()[0], row.split(" in ")[1].split()[0:2]) for row in hits(page)] == [
        ("1", ["its", "name"]), ("2", ["its", "log"]), ("3", ["a", "failed"]), ("4", ["its", "name"]),
        ("4", ["its", "input"]), ("5", ["what", "it"]), ("6", ["its", "output"]),
    ]  # fmt: skip
    assert {words(mark).lower() for mark in page.select("mark")} == {"zebra"}
    assert "searched 6 of 6 steps, 7 places found" in words(one(page, "#find-more"))


def test_a_long_run_is_searched_by_stretches(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "STRETCH_STEPS", 100)
    run = stories.a_long_run(version, 300)
    page, found, n_pages = see(f"/runs/{run.id}/find?q=asyncio"), [], 0
    while True:
        found += hits(page)
        n_pages += 1
        more = page.select("#find-more[hx-get]")
        if not more:
            break
        assert "Search on" in words(more[0])
        page = see(attribute(more[0], "hx-get"), target="find-more")
    assert n_pages == 3
    expected = {2 * number + 2 for number in range(150) if "asyncio" in stories.page(number)}
    assert {int(row.split()[0]) for row in found} == expected


def test_too_few_characters_say_what_to_do(see: See, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 10)
    for query in ("", "a", "x" * 201):
        assert "2 to 200 characters" in words(one(see(f"/runs/{run.id}/find?q={query}"), ".found"))


def test_nothing_is_found_in_a_run_of_another_team(see: See) -> None:
    theirs = stories.a_long_run(builders.an_agent(builders.a_team("others")), 10)
    see(f"/runs/{theirs.id}/find?q=asyncio", status=404)


def test_what_an_agent_wrote_stays_text(ada: Client, version: AgentVersion) -> None:
    html = ada.get(f"/runs/{stories.a_hostile_run(version).id}/find", {"q": "<script>alert"}).content.decode()
    assert "places found" in html
    assert "<script>alert" not in html
    assert "<img" not in html
    assert chr(0x202E) not in html
