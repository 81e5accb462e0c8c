"""The agent `site-research`, from its input to its report, on an engine without a database."""

import json
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentops.demo.agents import SiteResearch
from agentops.demo.crawl import crawl_delay_seconds, frontier, may_read
from agentops.demo.report import markdown_report
from agentops.demo.site.server import DemoSite
from agentops.demo.topics import topics
from runs.engine.errors import ActionFailedError
from runs.json_schema import check
from tests.demo import a_server, a_site, says
from tests.fakes import Ended, InMemoryShell, run_program


@pytest.fixture
def site(settings: Any) -> Iterator[DemoSite]:
    with a_site() as site:
        settings.DEMO_SITE_URL = f"{site.url}/"
        yield site


def research(shell: InMemoryShell | None = None, **given: Any) -> Ended:
    return run_program(SiteResearch, {"ask_first": False} | given, shell or InMemoryShell())


def test_it_reads_the_demo_site_and_publishes_a_report_with_a_source_for_every_page(site: DemoSite) -> None:
    shell = InMemoryShell()
    ended = research(shell, max_pages=30)

    assert shell.figures == (30, 30, "pages")
    assert (ended.output["pages"], ended.output["skipped"]) == (30, [])
    assert all(f"(<{page['url']}>)" in ended.output["report"] for page in ended.state["pages"])
    assert ended.output["published_url"] == f"{site.url}/reports/site-research-{shell.run_id}"
    [published] = site.reports.all()
    assert published.markdown == ended.output["report"]
    assert site.reports.figures()["applied"].popitem()[1] == 1


def test_the_tree_names_the_page_that_each_step_read(site: DemoSite) -> None:
    shell = InMemoryShell()
    research(shell, max_pages=5)

    assert shell.notes[:2] == ["plan: 5 pages to read", "read: abc module"]
    assert [note.partition(":")[0] for note in shell.notes] == [
        "plan",
        *["read"] * 6,
        "outline",
        "write",
        "publish",
    ]


def test_the_state_holds_summaries_and_no_pages(site: DemoSite) -> None:
    shell = InMemoryShell()
    ended = research(shell, max_pages=30)
    without_report = {key: value for key, value in ended.state.items() if key != "report"}

    assert len(json.dumps(without_report)) < 30 * 1500
    assert all(len(page["summary"]) <= 3 and len(page["keywords"]) <= 8 for page in ended.state["pages"])


def test_it_asks_robots_txt_first_and_stays_out_of_the_forbidden_corner(site: DemoSite) -> None:
    shell = InMemoryShell()
    state = research(shell, max_pages=5).state
    links = [f"{site.url}/modules/abc.html", f"{site.url}/internal/build", f"{site.url}/_ledger"]
    read = [urlsplit(str(args["url"])).path for name, args in shell.calls if name == "http.get"]

    assert read[:3] == ["/robots.txt", "/", "/sitemap.xml"]
    assert len(read) == len(set(read))
    assert frontier(links, root=state["root"], robots=state["robots"], limit=9) == links[:1]


def test_it_keeps_the_pace_that_robots_txt_asks_for(settings: Any) -> None:
    with a_site(crawl_delay_seconds=0.02) as site:
        settings.DEMO_SITE_URL = site.url
        shell = InMemoryShell()
        research(shell, max_pages=5)

    assert {args["pause_seconds"] for name, args in shell.calls if "pause_seconds" in args} == {0.02}
    assert shell.waits == []


def test_before_a_long_pause_the_run_frees_its_worker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentops.demo.agents.site_research.LONGEST_PAUSE_IN_PLACE_SECONDS", 0.01)
    with a_site(crawl_delay_seconds=90) as site:
        settings.DEMO_SITE_URL = site.url
        shell = InMemoryShell()
        research(shell, max_pages=5)

    assert shell.waits == [90.0] * 5


def test_a_dead_link_is_skipped_and_listed_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: socket.socket) -> None:
        is_first = next(asked) < 3
        says(
            "HTTP/1.1 200 OK" if is_first else "HTTP/1.1 404 Not Found", "Content-Type: text/html", body=page
        )(connection)

    page, asked = b"<title>Here</title><p>A page with a link to another page.</p><a href='/a'>a</a>", count()
    with a_server(answer) as url:
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(url).netloc)
        shell = InMemoryShell()
        ended = research(shell, root=url, max_pages=5)

    assert [page["url"] for page in ended.output["skipped"]] == [url, f"{url}a"]
    assert all("404 Not Found" in page["reason"] for page in ended.output["skipped"])
    assert "read: skipped: http_404" in shell.notes


def test_faults_that_pass_are_tried_again_and_cost_no_page(settings: Any) -> None:
    with a_site(faults={"429": 0.06, "cut": 0.04, "malformed": 0.02, "500": 0.04}, seed=2) as site:
        settings.DEMO_SITE_URL = f"{site.url}/"
        shell = InMemoryShell()
        ended = research(shell, max_pages=60)

    assert set(shell.failures) == {"http_429", "http_protocol", "http_5xx"}
    assert (ended.output["pages"], ended.output["skipped"]) == (60, [])


def test_a_question_leans_the_summaries_and_stands_in_the_title(site: DemoSite) -> None:
    plain, asked = research(max_pages=20), research(max_pages=20, query="regular expression pattern")

    assert asked.output["report"].startswith("# Research of the demo site: regular expression pattern")
    assert asked.output["report"].lower().count("pattern") > plain.output["report"].lower().count("pattern")


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({}, "Research of the demo site"),
        ({"root": "https://docs.example.org/a/b"}, "Research of docs.example.org"),
        ({"root": "https://docs.example.org/", "query": " cats "}, "Research of docs.example.org: cats"),
    ],
)
def test_a_run_is_named_after_its_input(given: Any, title: str) -> None:
    assert SiteResearch().title_of(given) == title


def test_a_site_without_sitemap_is_read_along_its_links(monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<title>Here</title><p>A page with a link to another page.</p><a href='/a'>a</a><a href='/b.png'>b</a>"
    with a_server(says("HTTP/1.1 200 OK", "Content-Type: text/html", body=page)) as url:
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(url).netloc)
        ended = research(root=url, max_pages=5)

    assert [page["url"] for page in ended.state["pages"]] == [url, f"{url}a"]
    assert ended.output["published_url"] is None


def test_without_a_root_and_a_demo_site_it_says_what_is_missing(settings: Any) -> None:
    settings.DEMO_SITE_URL = ""
    failure = research().failure

    assert failure
    assert (failure.code, "`root`" in failure.message) == ("no_root", True)


def test_a_root_that_robots_txt_forbids_is_not_read(site: DemoSite) -> None:
    shell = InMemoryShell()
    failure = research(shell, root=f"{site.url}/internal/build").failure

    assert failure
    assert failure.code == "forbidden_by_robots"
    assert len(shell.calls) == 1


def test_a_site_whose_robots_txt_cannot_be_had_is_not_read(settings: Any) -> None:
    with a_site(faults={"500": 1}) as site:
        settings.DEMO_SITE_URL = site.url
        with pytest.raises(ActionFailedError, match=r"robots\.txt answers 500"):
            research()


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"root": "not an address"}, "/root"),
        ({"root": "ftp://example.org/"}, "/root"),
        ({"max_pages": 4}, "/max_pages"),
        ({"max_pages": 501}, "/max_pages"),
        ({"max_pages": "many"}, "/max_pages"),
        ({"query": 5}, "/query"),
        ({"pages": 5}, "pages"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_its_place(given: Any, pointer: str) -> None:
    from agentops.common.errors import InvalidInputError

    with pytest.raises(InvalidInputError) as caught:
        check(given, SiteResearch.input_schema, what="the input")
    assert pointer in str(caught.value.data["errors"])


def test_input_that_fits_is_taken() -> None:
    check({}, SiteResearch.input_schema, what="the input")
    check(
        {"root": "http://127.0.0.1:8001/", "max_pages": 500, "query": ""},
        SiteResearch.input_schema,
        what="it",
    )


@pytest.mark.parametrize(
    ("robots", "seconds"),
    [
        ("", 0.0),
        ("User-agent: *\nCrawl-delay: 0.5", 0.5),
        ("User-agent: a\ncrawl-delay: 1\n\nUser-agent: b\n  Crawl-Delay : 20 # slow", 20.0),
        ("Crawl-delay: soon", 0.0),
        ("Crawl-delay: 99999999", 600.0),
    ],
)
def test_the_longest_delay_of_robots_txt_is_kept(robots: str, seconds: float) -> None:
    assert crawl_delay_seconds(robots) == seconds


def test_robots_rules_are_obeyed() -> None:
    robots = "User-agent: *\nDisallow: /private\n\nUser-agent: AgentOpsBot\nDisallow: /bots"

    assert may_read(robots, "http://x/private/a")
    assert not may_read(robots, "http://x/bots/a")
    assert may_read("", "http://x/anything")


def test_the_frontier_is_the_sites_own_unknown_pages_each_once() -> None:
    links = [
        "http://x/a#1",
        "http://x/a#2",
        "http://y/b",
        "https://x/c",
        "http://x/d.png",
        "http://x/known",
        "http://x/e",
    ]

    assert frontier(links, root="http://x/", robots="", known={"http://x/known"}, limit=9) == [
        "http://x/a",
        "http://x/e",
    ]
    assert frontier(links, root="http://x/", robots="", limit=1) == ["http://x/a"]
    assert frontier(links, root="http://x/", robots="User-agent: *\nDisallow: /", limit=9) == []


def test_pages_that_share_words_share_a_topic_and_the_rest_comes_last() -> None:
    cats = [f"cats purr and cats sleep, page {word}" for word in ("one", "two", "three")]
    boats = [f"boats sail where boats float, page {word}" for word in ("four", "five", "six")]
    found = topics([*cats, "nothing like it", *boats])

    assert [topic.members for topic in found] == [[0, 1, 2], [4, 5, 6], [3]]
    assert "cats" in found[0].label.lower()
    assert found[-1].label == "Other pages"


@pytest.mark.parametrize("texts", [[], [""], ["one page alone"], ["same words"] * 50])
def test_topics_hold_every_page_exactly_once(texts: list[str]) -> None:
    members = [index for topic in topics(texts) for index in topic.members]

    assert sorted(members) == list(range(len(texts)))


def test_what_a_page_says_cannot_become_markup_of_the_report() -> None:
    hostile = "![x](http://evil/x.png) <script>alert(1)</script> [y](javascript:z) __init__ `code`"
    page = {"url": "http://x/a>b", "title": hostile, "summary": [hostile], "keywords": ["a|b"], "bytes": 1}
    state = {
        "title": hostile, "root": "http://x/", "pages": [page], "skipped": [{"url": "http://x/", "reason": hostile}],
        "topics": [{"label": hostile, "pages": [0]}], "overview": [hostile],
    }  # fmt: skip
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark").render(markdown_report(state, date="2026-01-31"))

    assert "<img" not in html
    assert "<script" not in html
    assert "<code>" not in html
    assert 'href="javascript' not in html
    assert "__init__" in html
