"""The demo site: real pages, a place to publish, and faults that come again for the same seed."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.robotparser import RobotFileParser

import httpx
import pytest

from agentops.demo.site.behaviour import FAULTS, Behaviour, BehaviourError, Fortune
from tests.demo import AT_ONCE, a_site, a_site_process

REPORT = {
    "title": "A report",
    "markdown": "# Found\n\n[a link](https://example.org) <script>alert(1)</script>",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_site_process(HUSH="not-for-the-pages") as address:
        httpx.post(f"{address}_control", json=AT_ONCE, trust_env=False).raise_for_status()
        yield address


@pytest.fixture
def web(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def links(html: str) -> list[str]:
    return re.findall(r'href="(/modules/[\w.]+\.html)', html)


def test_the_index_links_to_more_than_150_pages_of_modules(web: httpx.Client) -> None:
    index = links(web.get("/").text)

    assert len(set(index)) >= 150
    assert {"/modules/os.html", "/modules/json.html", "/modules/email.message.html"} <= set(index)
    assert not any(re.match(r"/modules/(antigravity|this|idlelib|test)\.", path) for path in index)


def test_pages_are_the_reference_and_lead_to_each_other_and_to_no_file_of_this_disk(
    web: httpx.Client,
) -> None:
    page = web.get("/modules/textwrap.html")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Text&nbsp;wrapping&nbsp;and&nbsp;filling." in page.text
    assert "file:" not in page.text
    assert {web.get(path).status_code for path in links(page.text)} == {200}


@pytest.mark.parametrize("module", ["os", "sys", "site", "subprocess", "cgi", "sysconfig", "webbrowser"])
def test_no_page_shows_the_environment_of_the_server(web: httpx.Client, module: str) -> None:
    assert "not-for-the-pages" not in web.get(f"/modules/{module}.html").text


def test_robots_are_told_the_pace_and_the_forbidden_corner(web: httpx.Client, url: str) -> None:
    with a_site(crawl_delay_seconds=0.5) as site:
        assert "Crawl-delay: 0.5\n" in httpx.get(f"{site.url}/robots.txt", trust_env=False).text
    rules = RobotFileParser()
    rules.parse(web.get("/robots.txt").text.splitlines())

    assert rules.can_fetch("AgentOpsBot", f"{url}modules/os.html")
    assert not rules.can_fetch("AgentOpsBot", f"{url}internal/build")
    assert "/internal/build" in web.get("/").text, "a crawler that does not ask finds it"


def test_the_sitemap_lists_every_page_of_the_index(web: httpx.Client, url: str) -> None:
    listed = re.findall(r"<loc>(.*?)</loc>", web.get("/sitemap.xml").text)

    assert [location.removeprefix(url.rstrip("/")) for location in listed] == links(web.get("/").text)


def test_a_page_that_is_known_is_not_sent_again(web: httpx.Client) -> None:
    page = web.get("/modules/abc.html")
    again = web.get("/modules/abc.html", headers={"If-None-Match": page.headers["etag"]})

    assert "last-modified" in page.headers
    assert (again.status_code, again.content) == (304, b"")
    assert web.get("/modules/abc.html", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_head_request_gets_the_header_alone(web: httpx.Client) -> None:
    assert web.head("/modules/abc.html").content == b""
    assert int(web.head("/").headers["content-length"]) > 1000


@pytest.mark.parametrize(
    ("path", "words"),
    [("/nowhere", "no page /nowhere"), ("/modules/a<b>.html", "&lt;b&gt;"), ("/reports/x", "/reports/x")],
)
def test_a_page_that_is_not_there_says_so(web: httpx.Client, path: str, words: str) -> None:
    answer = web.get(path)

    assert answer.status_code == 404
    assert words in answer.text


def test_another_host_name_is_refused(web: httpx.Client) -> None:
    assert web.get("/", headers={"Host": "rebound.example"}).status_code == 421


def test_what_a_browser_sends_unasked_cannot_steer_the_site(web: httpx.Client) -> None:
    assert web.post("/_control", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"faults": {"earthquake": 1}}, "known are timeout, 429"),
        ({"faults": []}, "must be an object"),
        ({"latency": 5}, "its keys may be latency_ms"),
        ({"latency_ms": -1}, "cannot be negative"),
        ({"latency_ms": "fast"}, "must be a number"),
        ({"error_rate": 0.6, "faults": {"cut": 0.6}}, "together at most 1"),
        ([], "send a JSON object"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_a_sentence(
    web: httpx.Client, order: object, words: str
) -> None:
    answer = web.post("/_control", json=order)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    with pytest.raises(BehaviourError, match=re.escape(words)):
        Behaviour.from_json(order)


def test_faults_are_the_same_again_for_the_same_seed_and_come_at_their_rate() -> None:
    behaviour = Behaviour(error_rate=0.1, faults=dict.fromkeys(FAULTS, 0.1), seed=7)
    paths = [f"/{n % 50}" for n in range(2000)]
    first, second = Fortune(behaviour), Fortune(behaviour)
    fates = [first.fate(path) for path in paths]

    assert fates == [second.fate(path) for path in paths]
    assert fates != [Fortune(Behaviour(seed=8)).fate(path) for path in paths]
    assert all(150 < n < 250 for kind, n in Counter(fate.fault for fate in fates).items() if kind)
    assert all(0.03 <= fate.delay_seconds <= 0.12 for fate in fates)


def test_each_request_for_a_path_has_a_fate_of_its_own() -> None:
    fortune = Fortune(Behaviour(faults={"500": 0.5}))

    assert len({fortune.fate("/").fault for _ in range(20)}) == 2


@pytest.mark.parametrize(("fault", "status"), [("500", 500), ("429", 429)])
def test_a_fault_that_was_ordered_is_answered(fault: str, status: int) -> None:
    with a_site(faults={fault: 1}) as site:
        answer = httpx.get(f"{site.url}/", trust_env=False)

    assert answer.status_code == status
    assert (status == 429) == ("retry-after" in answer.headers)


@pytest.mark.parametrize("fault", ["timeout", "hang", "malformed", "cut"])
def test_a_fault_that_breaks_the_connection_breaks_it(fault: str) -> None:
    with a_site(faults={fault: 1}) as site, pytest.raises(httpx.TransportError):
        httpx.get(f"{site.url}/", timeout=0.3, trust_env=False)


def test_a_report_is_published_once_however_often_it_is_sent(web: httpx.Client) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (web.post("/reports/once", json=REPORT, headers=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() == {"slug": "once", "path": "/reports/once"}
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert web.get("/_ledger").json()["applied"]["once"] == 1


def test_a_key_that_was_used_for_another_report_is_refused(web: httpx.Client) -> None:
    key = {"Idempotency-Key": "other"}
    web.post("/reports/mine", json=REPORT, headers=key)

    assert web.post("/reports/mine", json=REPORT | {"title": "Changed"}, headers=key).status_code == 409
    assert web.post("/reports/yours", json=REPORT, headers=key).status_code == 409


def test_a_report_is_shown_without_the_markup_that_is_in_it(web: httpx.Client) -> None:
    web.post("/reports/shown", json=REPORT)
    page = web.get("/reports/shown").text

    assert "<h1>Found</h1>" in page
    assert "<script>" not in page
    assert '<a href="/reports/shown">A report</a>' in web.get("/reports/").text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/reports/Bad_Name", b"{}", 422),
        ("/reports/fine", b"{}", 422),
        ("/reports/fine", b"not json", 400),
        ("/elsewhere", b"{}", 404),
        ("/reports/fine", b"[" * 5_000_000, 413),
    ],
)
def test_what_is_no_report_is_refused(web: httpx.Client, path: str, body: bytes, status: int) -> None:
    answer = web.post(path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status


def test_a_lost_answer_does_not_lose_the_report() -> None:
    with a_site(faults={"cut": 1}) as site:
        with pytest.raises(httpx.TransportError):
            httpx.post(
                f"{site.url}/reports/a", json=REPORT, headers={"Idempotency-Key": "k"}, trust_env=False
            )
        assert site.reports.figures()["applied"] == {"k": 1}


def test_a_refused_report_is_not_published() -> None:
    with a_site(faults={"500": 1}) as site:
        httpx.post(f"{site.url}/reports/a", json=REPORT, headers={"Idempotency-Key": "k"}, trust_env=False)

        assert site.reports.figures() == {"applied": {}, "requests": 1}


def test_the_ledger_file_keeps_every_request_and_a_new_site_honours_the_old_keys(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with a_site(ledger=ledger) as site:
        httpx.get(f"{site.url}/", trust_env=False)
        httpx.post(f"{site.url}/reports/a", json=REPORT, headers={"Idempotency-Key": "k"}, trust_env=False)
    received = [json.loads(line).get("received") for line in ledger.read_text().splitlines()]
    ledger.write_text(ledger.read_text() + '{"received": "cut sho')

    with a_site(ledger=ledger) as site:
        again = httpx.post(
            f"{site.url}/reports/a", json=REPORT, headers={"Idempotency-Key": "k"}, trust_env=False
        )
        shown = httpx.get(f"{site.url}/reports/a", trust_env=False)

    assert received == ["GET /", "POST /reports/a", None]
    assert again.headers["idempotent-replayed"] == "true"
    assert shown.status_code == 200
    assert all(json.loads(line) for line in ledger.read_text().splitlines())
