"""What stands around the run list: filters with counts, the chart, saved views, columns, the drawer, bulk jobs."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import InternalError, connection
from django.test import Client

from agentops.accounts.models import Team, User
from agentops.accounts.roles import Role
from agentops.common.transactions import transaction
from runs.models import AgentVersion, BulkJob, Run, SavedView
from runs.selectors import walk
from tests.runs import work_off
from tests.ui import builders
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def query_of(href: str) -> str:
    return parse_qs(urlsplit(href).query).get("q", [""])[0]


def titles(page: object) -> list[str]:
    return [words(link) for link in page.select("[data-row-link]")]  # type: ignore[attr-defined]


@pytest.fixture
def some(version: AgentVersion, team: Team) -> None:
    other = builders.an_agent(team, "code-audit")
    for n in range(6):
        RunBuilder(version, title=f"review {n}", seconds_ago=600 + n).save(tags=["prod"] if n < 2 else [])
    for n in range(3):
        RunBuilder(other, title=f"audit {n}", seconds_ago=7200 + n).save(status="failed")


# ---- filters with counts


@pytest.mark.usefixtures("some")
def test_filters_count_runs_and_edit_the_query(see: See) -> None:
    shown = see("/runs/overview?q=")
    told = {words(item.select("span")[0]): item for item in shown.select(".facets li a")}
    assert {name: words(item.select(".n")[0]) for name, item in told.items()} == {
        "Succeeded": "6", "Failed": "3", "site-research": "6", "code-audit": "3", "prod": "2", "v1": "9",
    }  # fmt: skip
    assert query_of(attribute(told["Failed"], "href")) == "status:failed"
    assert titles(see(attribute(told["prod"], "href"))) == ["review 0", "review 1"]


@pytest.mark.usefixtures("some")
def test_a_filter_adds_to_the_query_and_takes_away_only_itself(see: See) -> None:
    shown = see("/runs/overview?q=review status:failed")
    links = {words(item.select("span")[0]): item for item in shown.select(".facets li a")}
    assert query_of(attribute(links["Succeeded"], "href")) == "review status:failed,succeeded"
    assert query_of(attribute(links["Failed"], "href")) == "review"
    assert links["Failed"]["aria-current"] == "true"


@pytest.mark.usefixtures("some")
def test_counts_that_were_not_counted_to_the_end_say_so(see: See, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "SHORT_WALK", 4)
    monkeypatch.setattr(walk, "LONG_WALK", 4)
    shown = see("/runs/overview?q=retries:0")
    assert {words(n) for n in shown.select(".facets .n")} == {"≥ 4", "≥ 2"}


# ---- the chart


@pytest.mark.usefixtures("some")
def test_bars_lead_to_the_runs_of_their_time(see: See) -> None:
    bars = see("/runs/overview?q=").select("svg a")
    full = [bar for bar in bars if bar.select("rect:not(.hit)")]
    assert sum(int(attribute(bar, "aria-label").rpartition(": ")[2].split()[0]) for bar in full) == 9
    found = [titles(see(attribute(bar, "href"))) for bar in full]  # seconds apart may stand in two bars
    audits, reviews = {f"audit {n}" for n in range(3)}, {f"review {n}" for n in range(6)}
    assert sorted(title for bar in found for title in bar) == sorted(audits | reviews)
    assert (set(found[0]) <= audits, set(found[-1]) <= reviews) == (True, True)
    assert {rect["class"][0] for rect in full[0].select("rect:not(.hit)")} == {"f-bad"}


@pytest.mark.usefixtures("some")
def test_a_bar_replaces_the_time_and_keeps_the_rest(see: See) -> None:
    href = attribute(see("/runs/overview?q=review created:-1d").select("svg a")[0], "href")
    assert query_of(href).startswith("review created:2")
    assert query_of(href).count("created:") == 1


def test_bars_of_very_many_runs_are_reckoned_and_say_so(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORT_WALK", "LONG_WALK", "RARE_RUNS"):
        monkeypatch.setattr(walk, name, 5)
    monkeypatch.setattr("runs.selectors.console.found_overview.BUCKET_ROWS", 3)
    for n in range(40):
        RunBuilder(version, seconds_ago=5.0 * n).save()
    shown = see("/runs/overview?q=created:-10m")
    labels = [attribute(bar, "aria-label") for bar in shown.select("svg a")]
    assert any("≈" in label for label in labels)
    total = sum(int(label.rpartition(": ")[2].lstrip("≈ ").split()[0]) for label in labels)
    assert 30 <= total <= 80, "three rows of each bar are looked at: where they stand in it decides"


@pytest.mark.usefixtures("some")
def test_lengths_of_time_replace_each_other(see: See) -> None:
    links = see("/runs/overview?q=review created:-1d").select(".zooms a")
    assert [query_of(attribute(link, "href")) for link in links] == [
        "review created:-1h", "review created:-1d", "review created:-7d", "review created:-30d", "review",
    ]  # fmt: skip
    assert [link.get("aria-current") for link in links] == [None, "true", None, None, None]


@pytest.mark.usefixtures("some")
def test_the_overview_is_a_page_too(see: See) -> None:
    assert str(see("/runs/overview?q=review", target="overview").find("svg")) == str(
        see("/runs/overview?q=review").select_one("#overview svg")
    )
    assert "/runs/overview?q=review" in str(one(see("/runs?q=review"), "#overview noscript"))


# ---- empty states


@pytest.mark.usefixtures("some")
def test_nothing_in_this_time_offers_all_times(see: See) -> None:
    empty = one(see("/runs?q=review created:2020-01-31"), ".empty")
    assert "Nothing in this time" in words(empty)
    assert titles(see("/runs" + attribute(one(empty, "a.btn"), "href"))) == [f"review {n}" for n in range(6)]


@pytest.mark.usefixtures("some")
def test_a_search_that_did_not_look_at_all_runs_says_how_far(
    see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "SHORT_WALK", 4)
    monkeypatch.setattr(walk, "LONG_WALK", 6)
    first = see("/runs?q=duration:>300d")
    assert "None among the newest" in words(first)
    assert "Looked at the newest runs, back to" in words(first)
    second = see("/runs" + attribute(one(first, "a[rel=next]"), "href"))
    assert "No run matches" in words(second)


def test_who_is_in_no_team_is_told_who_can_help() -> None:
    stranger = Client()
    stranger.force_login(User.objects.create(username="eve", email="eve@example.org"))
    answer = stranger.get("/runs")
    assert answer.status_code == 403
    assert "member of no team; ask an admin" in answer.content.decode()


# ---- older addresses, columns


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/runs?status=failed", "status:failed"),
        ("/runs?status=waiting", "status:sleeping,waiting,awaiting_approval"),
        ("/runs?agent=site-research&status=ended", "status:cancelled,expired agent:site-research"),
        ("/runs?q=zebra&agent=a*b", 'zebra agent:"a*b"'),
    ],
)
def test_older_addresses_become_queries(ada: Client, address: str, query: str) -> None:
    answer = ada.get(address)
    assert (answer.status_code, query_of(answer.headers["Location"])) == (302, query)


def test_columns_are_chosen_in_the_address(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, title="one").save(cost_microusd=2_500_000, tags=["a", "b"], queue="gpu")
    for address in ("/runs?q=&cols=cost,tags,queue", "/runs?q=&cols=cost&cols=tags&cols=queue&cols=nonsense"):
        page = see(address)
        assert [words(head) for head in page.select("th")] == ["Select", "Run", "Tags", "Cost", "Queue"]
        assert [words(cell) for cell in page.select(f"#run-{run.id} td")[2:]] == ["a, b", "$2.50", "gpu"]
    patched = see(f"/runs/rows?ids={run.id}&cols=cost,tags,queue").select("td")
    assert len(patched) == 0 or len(patched) == 5
    assert "cols=cost%2Ctags%2Cqueue" in attribute(
        one(see("/runs?q=&cols=cost,tags,queue"), ".views a:nth-of-type(2)"), "href"
    )


# ---- saved views


def save(client: Client, **given: str) -> str:
    answer = client.post("/runs/views/save", {"name": "Failed audits", "q": "audit status:failed", **given})
    assert answer.status_code == 302, answer.content[:500]
    return answer.headers["Location"]


@pytest.mark.usefixtures("some")
def test_a_saved_view_opens_its_query_and_columns(ada: Client, see: See) -> None:
    at = save(ada, cols="status,run,cost")
    page = see(at)
    assert titles(page) == ["audit 0", "audit 1", "audit 2"]
    chip = one(page, ".views .own")
    assert (words(chip), chip["aria-current"], attribute(chip, "href")) == (
        "Failed audits",
        "page",
        urlsplit(at)._replace(path="").geturl(),
    )


def test_a_view_is_its_owners_unless_it_is_shared(
    ada: Client, see: See, browser_of: Callable[[Role], Client]
) -> None:
    save(ada)
    other = browser_of(Role.VIEWER)
    assert b"Failed audits" not in other.get("/runs").content
    save(ada, shared="on")
    assert SavedView.objects.count() == 1
    assert b"Failed audits" in other.get("/runs").content
    assert b"Delete" not in other.get("/runs/views").content
    view = SavedView.objects.get()
    assert other.post(f"/runs/views/{view.id}/delete").status_code == 404
    assert ada.post(f"/runs/views/{view.id}/delete").status_code == 302
    assert not SavedView.objects.exists()


def test_one_view_opens_the_list(ada: Client) -> None:
    save(ada, default="on")
    save(ada, name="Mine", q="user:@me", default="on")
    assert [view.name for view in SavedView.objects.filter(is_default=True)] == ["Mine"]
    assert query_of(ada.get("/runs").headers["Location"]) == "user:@me"
    assert ada.get("/runs?q=").status_code == 200


@pytest.mark.parametrize(
    "given", [{"name": " "}, {"name": "x" * 61}, {"q": "statsu:failed"}, {"name": "a\0"}]
)
def test_a_view_that_cannot_be_saved_says_why(ada: Client, given: dict[str, str]) -> None:
    answer = ada.post("/runs/views/save", {"name": "v", "q": "", **given})
    assert answer.status_code in (400, 422) or SavedView.objects.count() == 1


# ---- the drawer


def test_the_drawer_shows_a_run_beside_the_list(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, title="Weekly review").save(
        status="failed", error={"code": "x", "message": "no such page"}, n_retries=3
    )
    RunBuilder(version, title="another").save()
    link = attribute(one(see("/runs?q=status:failed"), ".peek-link"), "href")
    page = see(link)
    drawer = one(page, "#peek")
    assert "Weekly review" in words(drawer)
    assert "no such page" in words(drawer)
    assert titles(page) == ["Weekly review"]
    assert str(see(link, target="peek")).strip() == str(drawer)
    assert one(drawer, "a.primary")["href"] == f"/runs/{run.id}"
    assert one(see("/runs"), "#peek").has_attr("hidden")


# ---- bulk jobs


@pytest.mark.usefixtures("some")
def test_a_bulk_job_is_previewed_begun_watched_and_done(ada: Client, see: See) -> None:
    assert "/runs/bulk?all=1&q=status%3Afailed" in [
        link["href"] for link in see("/runs?q=status:failed").select("a.btn")
    ]
    asked = see("/runs/bulk?all=1&q=status:failed")
    assert [words(button) for button in asked.select("[name=verb]")] == [
        "Pause…",
        "Resume",
        "Cancel…",
        "Kill…",
        "Retry",
    ]
    preview = see("/runs/bulk?all=1&q=status:failed&verb=retry")
    assert "Would retry 3 runs." in words(preview)
    answer = ada.post("/runs/bulk", {"all": "1", "q": "status:failed", "verb": "retry"})
    at = answer.headers["Location"]
    assert "0 retried · 3 to go" in words(see(at))
    assert one(see(at), "#job")["hx-trigger"] == "every 1s"
    work_off()
    done = see(at)
    assert "3 retried" in words(done)
    assert not one(done, "#job").has_attr("hx-trigger")
    assert "3 retried" in words(see("/runs/bulk/jobs"))


@pytest.mark.usefixtures("some")
def test_a_selection_is_carried_to_its_job(ada: Client, see: See) -> None:
    chosen = [str(run.id) for run in Run.objects.filter(status="failed")[:2]]
    asked = see(f"/runs/bulk?run={chosen[0]}&run={chosen[1]}&q=&verb=retry")
    assert "2 selected runs" in words(asked)
    assert "Would retry 2 runs." in words(asked)
    ada.post("/runs/bulk", {"run": chosen, "verb": "retry", "reason": "mended"})
    assert {str(run_id) for run_id in BulkJob.objects.get().run_ids or []} == set(chosen)


@pytest.mark.usefixtures("some")
def test_a_kill_asks_for_its_word(ada: Client) -> None:
    given = {"all": "1", "q": "", "verb": "kill"}
    assert ada.post("/runs/bulk", given).status_code == 422
    assert not BulkJob.objects.exists()
    assert ada.post("/runs/bulk", given | {"word": "Kill"}).status_code == 302


@pytest.mark.usefixtures("some")
def test_a_job_can_be_stopped_on_its_page(ada: Client, see: See) -> None:
    ada.post("/runs/bulk", {"all": "1", "q": "", "verb": "retry"})
    job = BulkJob.objects.get()
    assert "Stop here" in words(see(f"/runs/bulk/{job.id}"))
    ada.post(f"/runs/bulk/{job.id}/stop")
    assert "stopped by ada" in words(see(f"/runs/bulk/{job.id}")).lower()


@pytest.mark.usefixtures("some")
def test_a_viewer_selects_and_acts_on_nothing(browser_of: Callable[[Role], Client]) -> None:
    viewer = browser_of(Role.VIEWER)
    page = viewer.get("/runs").content
    assert b"data-pick" not in page
    assert b"Act on all" not in page
    assert viewer.get("/runs/bulk?all=1").status_code == 403
    assert viewer.post("/runs/bulk", {"all": "1", "verb": "cancel"}).status_code == 403


# ---- suggestions


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sta", ["status:", "started:"]),
        ("-sta", ["status:", "started:"]),
        ("status:fa", ["failed"]),
        ("status:failed,suc", ["succeeded"]),
        ("agent:", ["site-research", "code-audit"]),
        ("review tag:p", ["prod"]),
        ("created:yes", ["yesterday"]),
        ("sort:-co", ["-cost"]),
        ("has:par", ["parent"]),
        ("step(na", ["name:"]),
        ("step(kind:to", ["tool"]),
        ("ste", ["steps:", "step("]),
        ("nonsense:x", []),
        ('"', []),
    ],
)
def test_suggestions_fit_what_is_typed(see: See, typed: str, offered: list[str]) -> None:
    shown = see(f"/runs/suggest?q={typed}".replace("+", "%2B"))
    assert [attribute(option, "data-insert") for option in shown.select("[role=option]")][
        : len(offered) or None
    ] == offered


def test_a_suggestion_replaces_what_was_typed_where_the_cursor_stands(see: See) -> None:
    shown = one(see("/runs/suggest?q=review status:fa -tag:x&at=16"), "#suggest")
    assert (shown["data-start"], shown["data-end"]) == ("14", "16")


# ---- looking changes nothing


@pytest.mark.usefixtures("some")
def test_looking_writes_nothing(ada: Client, see: See) -> None:
    """Every address of the list answers in a transaction that may only read."""
    run = Run.objects.all()[0]
    save(ada)
    ada.post("/runs/bulk", {"all": "1", "q": "", "verb": "retry"})
    job = BulkJob.objects.get()
    addresses = [
        "/runs", "/runs?q=audit", "/runs?q=tag:prod -status:failed", "/runs?q=sort:-cost", f"/runs?q=&peek={run.id}",
        "/runs?q=step(kind:tool)", "/runs/overview?q=audit", "/runs/overview?q=", f"/runs/rows?ids={run.id}&since=",
        "/runs/suggest?q=agent:", "/runs/views", "/runs/views/save?q=audit", "/runs/bulk?all=1&q=audit&verb=cancel",
        "/runs/bulk/jobs", f"/runs/bulk/{job.id}", "/agents", "/api/v1/runs?q=audit", "/api/v1/bulk", f"/api/v1/bulk/{job.id}",
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(InternalError, match="read-only"), transaction():  # the control
            cursor.execute("UPDATE runs_run SET title = ''")
        assert {address: ada.get(address).status_code for address in addresses} == dict.fromkeys(
            addresses, 200
        )


def test_the_oldest_run_of_a_bucket_is_in_the_chart(see: See, version: AgentVersion) -> None:
    for n in range(3):
        RunBuilder(version, title=f"{n}", seconds_ago=timedelta(days=n).total_seconds() + 5).save()
    bars = see("/runs/overview?q=").select("svg a")
    assert sum(len(bar.select("rect:not(.hit)")) for bar in bars) == 3
