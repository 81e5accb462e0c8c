"""The state page: any checkpoint, any place in it, and who wrote that."""

from typing import Any

import pytest
from django.test import Client

from runs.checkpoints import blame as blaming
from runs.models import AgentVersion, Checkpoint, Run
from runs.services.start_run import start_run
from tests.personas import actor
from tests.runs import drive
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def a_run(version: AgentVersion, *deltas: list[Any], state: dict[str, Any] | None = None) -> Run:
    """A run whose nodes, at the seqs 1, 2, …, leave these deltas."""
    builder = RunBuilder(version, state=state or {"root": "https://docs.example.org/", "l": ["given"]})
    for number, delta in enumerate(deltas, 1):
        builder.node(f"n{number}", delta=delta)
    return builder.save()


def writers(page: Any) -> list[str]:
    return [words(line) for line in page.select(".writers li")]


def test_every_key_leads_to_its_place(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/a~1b", {"c": 1}]], [["set", "/a~1b/c", 2]], [["set", "/n", 1]])
    key = next(key for key in see(f"/runs/{run.id}/state").select("a.key") if words(key) == "c")
    page = see(attribute(key, "href"))
    assert words(one(page, "#place header")) == "state / a/b / c /a~1b/c"
    assert attribute(one(page, "#place [data-copy]"), "data-copy") == "/a~1b/c"
    assert [line.split(" what")[0] for line in writers(page)] == [
        "step 2 n2 set /a~1b/c",
        "step 1 n1 set /a~1b",
    ]
    assert words(one(page, ".state a.key[aria-current]")) == "c"
    region = see(attribute(key, "href"), target="place")
    assert words(one(region, "#place")) == words(one(page, "#place"))


def test_an_item_is_followed_through_its_list(see: See, version: AgentVersion) -> None:
    run = a_run(
        version, [["append", "/l", ["one", "two"]]], [["remove", "/l/0", None]], [["append", "/l", ["three"]]],
        [["set", "/other", 1]],
    )  # fmt: skip
    assert writers(see(f"/runs/{run.id}/state?at=/l/0"))[0].startswith("step 1 n1 appended /l")
    assert writers(see(f"/runs/{run.id}/state?at=/l/2"))[0].startswith("step 3 n3 appended /l")
    whole = writers(see(f"/runs/{run.id}/state?at=/l"))
    assert [line.split(" what")[0] for line in whole[:3]] == [
        "step 3 n3 appended /l", "step 2 n2 removed from it /l/0", "step 1 n1 appended /l",
    ]  # fmt: skip
    assert whole[3].startswith("It stood in what the run began with.")


def test_what_was_given_says_so(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", 1]])
    assert writers(see(f"/runs/{run.id}/state?at=/root")) == [
        "It stood in what the run began with. See it there"
    ]


def test_a_place_that_is_not_there_yet_says_so(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", 1]], [["set", "/m", 1]])
    assert "Nothing stands at /m at this checkpoint" in words(see(f"/runs/{run.id}/state?seq=1&at=/m"))


def test_how_far_was_looked_is_said_and_one_can_go_on(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blaming, "MAX_ROWS", 20)
    first = [["set", "/n", 1], ["append", "/l", ["mine"]]]
    run = a_run(version, first, *([["append", "/l", [number]], ["remove", "/l/0", None]] for number in range(1)),
                *([["set", "/done", number]] for number in range(40)))  # fmt: skip
    page = see(f"/runs/{run.id}/state?at=/l/0")
    assert "earlier steps may have written it, too" in writers(page)[-1]
    for _ in range(5):
        more = page.select_one(".writers a[data-scrub]")
        if more is None:
            break
        page = see(f"/runs/{run.id}/state{attribute(more, 'href')}")
    assert writers(page)[0].startswith("step 1 n1 appended /l")


def test_stretches_that_do_not_touch_a_place_are_passed_over_at_once(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blaming, "MAX_ROWS", 60)
    builders.an_agent(version.team, "steps", {"type": "object"}, "test-steps")
    ada = builders.a_person(version.team)
    run = drive(start_run(actor=actor(ada), agent="steps", input={"n": 220})[0])
    assert Checkpoint.objects.filter(run=run, kind="g").count() >= 4
    assert writers(see(f"/runs/{run.id}/state?at=/n"))[0].startswith("It stood in what the run began with.")
    assert writers(see(f"/runs/{run.id}/state?at=/done&seq=77"))[0].startswith("step 77 ")


def test_the_scrubber_spans_the_run_and_works_without_scripts(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=10)
    slider = one(see(f"/runs/{run.id}/state?seq=9&at=/done"), "#scrub-at")
    assert (slider["name"], slider["min"], slider["max"], slider["value"]) == (
        "seq",
        "0",
        str(run.head_seq),
        "9",
    )
    assert one(see(f"/runs/{run.id}/state?seq=9&at=/done"), "#scrub [name=at]")["value"] == "/done"
    region = see(f"/runs/{run.id}/state?seq=9", target="state-view")
    assert attribute(one(region, "#state-view"), "data-seq") == "9"
    assert not region.select("#run-head")


def test_places_of_a_tampered_state_are_not_shown(see: See, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", 1]], [["set", "/n", 2]])
    Checkpoint.objects.filter(run=run, seq=2).update(body=b"[]", codec=0)
    assert "cannot be trusted" in words(see(f"/runs/{run.id}/state?at=/n"))


def test_a_place_can_be_downloaded_alone(ada: Client, version: AgentVersion) -> None:
    run = a_run(version, [["set", "/n", {"m": [1]}]])
    assert ada.get(f"/runs/{run.id}/json/file?of=state:1&at=/n/m").json() == [1]


def test_a_state_of_another_team_is_not_there(see: See, version: AgentVersion) -> None:
    theirs = a_run(builders.an_agent(builders.a_team("others")), [["set", "/n", 2]])
    see(f"/runs/{theirs.id}/state?at=/n", status=404)


def test_what_an_agent_wrote_stays_text(ada: Client, version: AgentVersion) -> None:
    run = stories.a_hostile_run(version)
    key = stories.HOSTILE.replace("~", "~0").replace("/", "~1")
    html = ada.get(f"/runs/{run.id}/state", {"at": f"/{key}"}).content.decode()
    assert "Written by" in html
    assert "<img" not in html
    assert chr(0x202E) not in html
