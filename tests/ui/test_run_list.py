"""The run list: views, search, empty states, and rows that are patched in place."""

import pytest
from django.test import Client

from agentops.accounts.models import Team
from runs.models import AgentVersion
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import one, words

pytestmark = pytest.mark.django_db


def test_a_visitor_is_sent_to_sign_in_and_back(client: Client) -> None:
    response = client.get("/runs?status=failed")
    assert response.status_code == 302
    assert response.headers["Location"] == "/accounts/login/?next=/runs%3Fstatus%3Dfailed"


def test_a_row_says_what_the_run_does_and_waits_for(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="sleeping", title="Price of ACME")
    row = one(see("/runs"), f"#run-{run.id}")
    cells = row.select("td:not(.t-pick)")
    assert words(cells[0]) == "Sleeping"
    assert words(cells[1]) == "Price of ACME site-research In brief"
    assert words(cells[2]) == "draft"
    assert words(cells[3]).startswith("until")
    assert one(row, "svg.meter")["aria-label"] == "114 of 114"
    assert words(cells[6]) == "2 d"


def test_a_one_word_note_of_the_progress_is_its_unit(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="running", progress_done=3, progress_total=9, progress_note="pages")
    assert one(see("/runs"), f"#run-{run.id} svg.meter")["aria-label"] == "3 of 9 pages"


def test_health_stands_beside_the_status(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="sleeping", health=["retrying", "stuck"])
    assert words(one(see("/runs"), f"#run-{run.id} .chips")) == "Sleeping Retrying Stuck"


def test_a_failed_run_says_why(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="failed", n_pages=3)
    assert "no sentence about 'asyncio'" in words(one(see("/runs"), f"#run-{run.id}"))


def test_views_count_runs_and_narrow_the_list(see: See, version: AgentVersion) -> None:
    for status in ("queued", "failed", "failed", "succeeded"):
        RunBuilder(version, title=f"a {status} one").save(status=status)
    assert words(one(see("/runs"), ".views")) == "All 4 Running 1 Waiting 0 Failed 2 Succeeded 1"
    failed = see("/runs?q=status:failed")
    assert [words(link) for link in failed.select("[data-row-link]")] == ["a failed one"] * 2
    assert words(one(failed, ".views [aria-current]")) == "Failed 2"


def test_search_finds_by_beginning_words_and_by_id(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, title="Audit of payments-core").save()
    RunBuilder(version, title="Weekly review").save()
    for query in ("payments", "audit pay", str(run.id), str(run.id)[:23], "status:succeeded audit"):
        assert [a["id"] for a in see(f"/runs?q={query}").select("[data-row-link]")] == [f"open-{run.id}"]


def test_a_search_that_cannot_be_understood_says_where_and_suggests(see: See) -> None:
    shown = see("/runs?q=statsu:failed")
    told = words(one(shown, "[role=alert]"))
    assert "Unknown key `statsu` (character 0), did you mean `status`?" in told
    assert one(shown, "[role=alert] a.btn")["href"] == "?q=status%3Afailed"
    assert one(shown, "#q")["value"] == "statsu:failed"


def test_a_list_that_was_filtered_away_offers_to_take_each_term_away(see: See, version: AgentVersion) -> None:
    RunBuilder(version).save()
    shown = one(see("/runs?q=zebra status:failed agent:site-research"), ".empty")
    assert [words(term) for term in shown.select(".tok")] == ["zebra", "status:failed", "agent:site-research"]
    assert shown.select(".tok")[0]["href"] == "?q=status%3Afailed+agent%3Asite-research"


def test_before_the_first_run_it_shows_how_to_start_one(see: See, version: AgentVersion) -> None:
    empty = one(see("/runs"), ".empty")
    assert "Nothing has run yet" in words(empty)
    assert '"agent": "site-research"' in words(one(empty, "pre"))
    assert one(empty, "a.btn.primary")["href"] == "/runs/start"


def test_a_team_without_agents_is_told_what_an_agent_is(see: See, team: Team) -> None:
    assert "This team has no agents yet" in words(one(see("/runs"), ".empty"))


def test_older_runs_are_a_page_away_and_none_is_skipped(see: See, version: AgentVersion) -> None:
    ids = {str(RunBuilder(version, seconds_ago=100 + n).save().id) for n in range(53)}
    first = see("/runs")
    older = one(first, "a[rel=next]")["href"]
    shown = [row["data-run"] for part in (first, see(f"/runs{older}")) for row in part.select("[data-run]")]
    assert len(shown) == len(set(shown)) == 53
    assert set(shown) == ids


def test_rows_on_the_page_are_patched_and_new_ones_only_counted(see: See, version: AgentVersion) -> None:
    known = RunBuilder(version, title="known", seconds_ago=100).save(status="queued")
    since = one(see("/runs"), "#runs")["data-since"]
    RunBuilder(version, title="newer", seconds_ago=1).save()
    patch = see(f"/runs/rows?ids={known.id}&since={since}".replace("+", "%2B"))
    patched = patch.find_all("tr", attrs={"hx-swap-oob": "true"})  # selectors do not look into templates
    assert [row["id"] for row in patched] == [f"run-{known.id}"]
    assert words(one(patch, "#newer[hx-swap-oob=true]")) == "1 new ."
    assert "newer" not in words(patch)


def test_a_patch_leaves_out_what_is_not_an_id_or_not_theirs(see: See, version: AgentVersion) -> None:
    theirs = RunBuilder(builders.an_agent(builders.a_team("other"))).save()
    assert see(f"/runs/rows?ids={theirs.id},nonsense,").find_all("tr") == []


def test_the_list_as_a_fragment_is_the_region_of_the_page(see: See, version: AgentVersion) -> None:
    RunBuilder(version).save()
    assert str(see("/runs", target="runs")).strip() == str(one(see("/runs"), "#runs"))


def test_agents_are_listed_with_their_runs(see: See, version: AgentVersion) -> None:
    RunBuilder(version).save(status="failed")
    RunBuilder(version).save(status="queued")
    card = words(one(see("/agents"), ".card"))
    assert "site-research v1" in card
    assert "2 runs 1 open 1 failed Start a run" in card


def test_the_rail_shows_the_rooms_there_are_and_how_the_system_is(see: See) -> None:
    rail = one(see("/runs"), ".rail")
    rooms = [words(room) for room in rail.select(".room")]
    assert rooms[:2] == ["Home", "Runs"]
    assert {"Agents", "API"} <= {*rooms}
    assert one(rail, ".room[aria-current]")["href"] == "/runs"
    assert words(one(rail, ".system.late")) == "Clock not started · no worker alive"
    builders.living_system(n_workers=2)
    assert words(one(see("/runs"), ".system")) == "Clock on time · 2 workers"


def test_the_theme_is_remembered_and_drawn_by_the_server(ada: Client, see: See) -> None:
    assert one(see("/runs"), "html")["data-theme"] == "auto"
    assert ada.post("/theme", {"theme": "dark", "next": "/runs"}).headers["Location"] == "/runs"
    assert one(see("/runs"), "html")["data-theme"] == "dark"
    assert ada.post("/theme", {"theme": "dark", "next": "https://evil.example/"}).headers["Location"] == "/"
