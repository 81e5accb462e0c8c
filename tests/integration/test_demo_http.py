"""The http tools against real servers: what they return, what they refuse, and when trying again may help."""

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import runs.tools.http  # noqa: F401 -- registers the tools
from agentops.demo.site.server import DemoSite
from runs.engine.errors import ToolError
from runs.tools.addresses import is_public
from runs.tools.exchange import retry_after_seconds
from runs.tools.registry import get_tool
from tests.demo import a_call, a_server, a_site, drips, says


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Any:
    def allow(url: str) -> str:
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(url).netloc)
        return url

    return allow


@pytest.fixture
def site(allow: Any) -> Iterator[DemoSite]:
    with a_site() as site:
        allow(site.url)
        yield site


def get(url: str, *, timeout_seconds: float = 5.0, **args: Any) -> Any:
    return get_tool("http.get").run(a_call(timeout_seconds=timeout_seconds), url=url, **args)


def post(url: str, body: Any, *, key: str = "idem_test", timeout_seconds: float = 5.0) -> Any:
    return get_tool("http.post").run(a_call(timeout_seconds=timeout_seconds, key=key), url=url, body=body)


def refusal(url: str, **args: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        get(url, **args)
    return caught.value


def test_a_page_comes_as_title_text_and_links(site: DemoSite) -> None:
    page = get(f"{site.url}/modules/textwrap.html")

    assert page["url"] == f"{site.url}/modules/textwrap.html"
    assert (page["status"], page["title"], page["is_truncated"]) == (200, "textwrap module", False)
    assert "Text wrapping and filling." in page["text"]
    assert f"{site.url}/modules/re.html" in page["links"]
    assert not any("#" in link for link in page["links"])
    assert page["bytes"] > len(page["text"])
    assert page["etag"].startswith('"')


def test_text_that_is_no_page_comes_as_it_is(site: DemoSite) -> None:
    robots = get(f"{site.url}/robots.txt")

    assert robots["text"].startswith("User-agent: *\n")
    assert robots["links"] == []


def test_long_text_is_cut_and_says_so(site: DemoSite) -> None:
    page = get(f"{site.url}/modules/os.html", max_text_chars=100)

    assert (len(page["text"]), page["is_truncated"]) == (100, True)


def test_a_pause_comes_before_the_request(site: DemoSite) -> None:
    began = time.monotonic()
    page = get(f"{site.url}/robots.txt", pause_seconds=0.3)
    took_ms = (time.monotonic() - began) * 1000

    assert took_ms > 300
    assert page["elapsed_ms"] <= took_ms - 299, "the pause is not the server's"


def test_a_page_larger_than_allowed_is_not_read_to_its_end(site: DemoSite) -> None:
    error = refusal(f"{site.url}/modules/builtins.html", max_bytes=1000)

    assert (error.error_code, error.retryable) == ("http_too_large", False)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "http_5xx"),
        ("429", "http_429"),
        ("timeout", "http_timeout"),
        ("hang", "http_timeout"),
        ("malformed", "http_protocol"),
        ("cut", "http_protocol"),
    ],
)
def test_a_fault_of_the_site_is_worth_another_try(fault: str, code: str, allow: Any) -> None:
    with a_site(faults={fault: 1}) as site:
        error = refusal(allow(site.url), timeout_seconds=patience(fault))

    assert (error.error_code, error.retryable) == (code, True)
    assert (error.retry_after_seconds is not None) == (fault == "429")


def patience(fault: str) -> float:
    """Little for what never comes; plenty for what comes late on a busy machine."""
    return 0.4 if fault in ("timeout", "hang") else 30.0


def test_a_site_under_faults_is_read_by_trying_again(allow: Any) -> None:
    with a_site(faults={"500": 0.3, "cut": 0.2, "malformed": 0.1}, seed=3) as site:
        outcomes = [_attempt(allow(f"{site.url}/")) for _ in range(40)]

    assert 5 < outcomes.count(None) < 35
    assert all(error.retryable for error in outcomes if error)


def test_a_page_that_is_not_there_is_not_tried_again(site: DemoSite) -> None:
    error = refusal(f"{site.url}/nowhere")

    assert (error.error_code, error.retryable) == ("http_404", False)
    assert "404 Not Found" in str(error)


def test_nobody_listening_is_worth_another_try(allow: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refusal(allow(f"http://127.0.0.1:{port}/"))

    assert (error.error_code, error.retryable) == ("http_connect", True)


def test_a_server_that_drips_is_left_at_the_deadline(allow: Any) -> None:
    with a_server(drips) as url:
        error = refusal(allow(url), timeout_seconds=0.5)

    assert error.error_code == "http_timeout"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["HTTP/1.1 200 OK", "Content-Type: image/png"], "http_content_type"),
        (["HTTP/1.1 200 OK"], "http_content_type"),
        (["HTTP/1.1 200 OK", "Content-Type: text/html", "Content-Encoding: gzip"], "http_encoding"),
        (["HTTP/1.1 403 No"], "http_403"),
        (["HTTP/1.1 302 On", "Location: /"], "http_redirect"),
        (["HTTP/1.1 302 On", "Location: ftp://127.0.0.1/"], "http_url"),
    ],
)
def test_an_answer_of_another_kind_is_refused_for_good(lines: list[str], code: str, allow: Any) -> None:
    with a_server(says(*lines, body=b"\x1f\x8b")) as url:
        error = refusal(allow(url))

    assert (error.error_code, error.retryable) == (code, False)


@pytest.mark.parametrize(
    ("content_type", "body", "title"),
    [
        ("text/html; charset=iso-8859-1", b"<title>caf\xe9</title>", "café"),
        ("text/html", b'<meta charset="iso-8859-1"><title>caf\xe9</title>', "café"),
        ("text/html", "<title>café</title>".encode(), "café"),
        ("text/html; charset=no-such", "<title>café</title>".encode(), "café"),
        ("text/html; charset=utf-8", b"<title>caf\xe9</title>", "caf\ufffd"),
        ("text/html", b"<title>a\n b</title><p>1<script>x<p>2</p></script><p>", "a b"),
    ],
)
def test_text_is_read_in_the_charset_that_is_stated(
    content_type: str, body: bytes, title: str, allow: Any
) -> None:
    with a_server(says("HTTP/1.1 200 OK", f"Content-Type: {content_type}", body=body)) as url:
        assert get(allow(url))["title"] == title


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("999999999", 3600.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_own_clock(
    retry_after: str, seconds: float | None
) -> None:
    headers = httpx.Headers({"Retry-After": retry_after, "Date": "Sun, 06 Nov 1994 08:49:07 GMT"})

    assert retry_after_seconds(headers) == seconds


PRIVATE = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.1.1",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.5", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "100::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_known_as_such(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known_as_such(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_this_machine_is_refused_however_it_is_written(site: DemoSite, host: str, monkeypatch: Any) -> None:
    monkeypatch.delenv("HTTP_ALLOW")
    error = refusal(f"http://{host}:{urlsplit(site.url).port}/")

    assert (error.error_code, error.retryable) == ("http_refused", False)
    assert site.reports.figures()["requests"] == 0


def test_another_port_than_the_allowed_one_is_refused(site: DemoSite) -> None:
    assert refusal("http://127.0.0.1:1/").error_code == "http_refused"


def test_the_metadata_service_is_refused_even_where_it_was_allowed(allow: Any) -> None:
    assert refusal(allow("http://169.254.169.254:80/latest")).error_code == "http_refused"


def test_a_redirect_to_this_machine_is_refused(allow: Any, site: DemoSite) -> None:
    target = f"Location: {site.url.replace('127.0.0.1', 'localhost')}/"
    with a_server(says("HTTP/1.1 302 On", target)) as url:
        error = refusal(allow(url))

    assert error.error_code == "http_refused"
    assert site.reports.figures()["requests"] == 0


def test_a_redirect_that_may_be_followed_is(site: DemoSite, monkeypatch: Any) -> None:
    with a_server(says("HTTP/1.1 301 On", f"Location: {site.url}/modules/abc.html")) as url:
        monkeypatch.setenv("HTTP_ALLOW", f"{urlsplit(url).netloc}, {urlsplit(site.url).netloc}")
        page = get(url)

    assert page["url"] == f"{site.url}/modules/abc.html"


def test_a_name_with_one_private_record_is_refused(monkeypatch: Any) -> None:
    _resolve_to(monkeypatch, ["1.1.1.1", "10.0.0.1"])

    assert refusal("http://mixed.example/").error_code == "http_refused"


def test_a_name_is_resolved_once_and_its_judged_address_is_connected_to(
    site: DemoSite, monkeypatch: Any
) -> None:
    port = urlsplit(site.url).port
    monkeypatch.setenv("HTTP_ALLOW", f"rebound.example:{port}")
    asked = _resolve_to(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    error = refusal(f"http://rebound.example:{port}/")

    assert error.error_code == "http_421", "the site was reached, and it answers to no such name"
    assert asked == ["rebound.example"]


def test_a_name_that_does_not_resolve_is_worth_another_try(monkeypatch: Any) -> None:
    _resolve_to(monkeypatch)
    error = refusal("http://gone.example/")

    assert (error.error_code, error.retryable) == ("http_dns", True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org/", "only http:// and https://"),
        ("file:///etc/passwd", "only http:// and https://"),
        ("/relative", "only http:// and https://"),
        ("http://", "only http:// and https://"),
        ("http://me:secret@example.org/", "user name or password"),
        ("http://exa mple/", "exa mple"),
        ("http://[::1/", "http_url"),
        ("http://example.org:99999/", "99999"),
        ("", "only http:// and https://"),
    ],
)
def test_an_address_that_is_none_is_refused_with_a_sentence(url: str, words: str) -> None:
    error = refusal(url)

    assert (error.error_code, error.retryable) == ("http_url", False)
    assert words in f"{error} {error.error_code}"


def test_proxies_of_the_environment_are_ignored(site: DemoSite, monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert get(f"{site.url}/robots.txt")["status"] == 200


def test_a_post_carries_its_idempotency_key(site: DemoSite) -> None:
    report = {"title": "t", "markdown": "m"}
    answers = [post(f"{site.url}/reports/a", report, key="idem_1") for _ in range(2)]

    assert [answer["json"] for answer in answers] == [{"slug": "a", "path": "/reports/a"}] * 2
    assert answers[0]["status"] == 201
    assert site.reports.figures()["applied"] == {"idem_1": 1}


@pytest.mark.parametrize(
    ("fault", "is_unknown"),
    [("cut", True), ("timeout", True), ("malformed", True), ("500", True), ("429", False)],
)
def test_a_post_that_may_have_been_carried_out_says_so(fault: str, is_unknown: bool, allow: Any) -> None:
    with a_site(faults={fault: 1}) as site, pytest.raises(ToolError) as caught:
        post(allow(f"{site.url}/reports/a"), {"title": "t", "markdown": "m"}, timeout_seconds=patience(fault))

    assert caught.value.is_outcome_unknown == is_unknown


def test_a_post_that_is_refused_says_why(site: DemoSite) -> None:
    with pytest.raises(ToolError, match="422") as caught:
        post(f"{site.url}/reports/a", {"no": "report"})

    assert (caught.value.error_code, caught.value.retryable) == ("http_422", False)


def test_a_post_is_not_redirected(allow: Any) -> None:
    with (
        a_server(says("HTTP/1.1 307 On", "Location: /elsewhere")) as url,
        pytest.raises(ToolError, match="redirects to /elsewhere") as caught,
    ):
        post(allow(url), {})

    assert (caught.value.error_code, caught.value.retryable) == ("http_redirect", False)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": "http://example.org/", "pause_seconds": -1}, "pause_seconds"),
        ({"url": "http://example.org/", "pause_seconds": 60}, "pause_seconds"),
        ({"url": "http://example.org/", "max_bytes": 1 << 40}, "max_bytes"),
        ({"url": "http://example.org/", "cookies": {}}, "cookies"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolError, match=words) as caught:
        get_tool("http.get").run(a_call(), **args)

    assert caught.value.error_code == "invalid_arguments"


def _attempt(url: str) -> ToolError | None:
    try:
        get(url)
    except ToolError as error:
        return error
    return None


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Make names resolve to each of `answers` in turn, and to nothing after that; gives what was asked for."""
    asked: list[str] = []
    left = iter(answers)
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        records = next(left, None)
        if records is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (record, port)) for record in records]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked
