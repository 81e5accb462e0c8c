"""Everything that an agent can write is an attack until it is shown as text."""

import re

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from runs.models import AgentVersion, Run
from runs.presenters.report import render_markdown
from runs.presenters.text import line, visible
from tests.ui import stories
from tests.ui.conftest import See
from tests.ui.reading import one, words

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
OURS = re.compile(r'<script[^>]* src="/static/[^"]+"[^>]*></script>')


def addresses(run: Run) -> list[str]:
    own = f"/runs/{run.id}"
    tabs = [
        own,
        f"{own}/log",
        f"{own}/state",
        f"{own}/state?seq=0",
        f"{own}/output",
        f"{own}/steps/1",
        f"{own}/steps/2",
    ]
    parts = [
        f"{own}/steps/1/changes",
        f"{own}/json?of=output:2&all=1",
        f"{own}/json?of=state:1",
        f"{own}/do/cancel",
    ]
    lists = ["/runs", "/agents", f"/runs/start?agent=site-research&from={run.id}", f"/runs/rows?ids={run.id}"]
    return tabs + parts + lists


@pytest.mark.django_db
def test_no_page_obeys_what_an_agent_wrote(ada: Client, version: AgentVersion) -> None:
    run = stories.a_hostile_run(version)
    for address in addresses(run):
        html = ada.get(address).content.decode()
        assert "alert(1)" in html or "/agents" in address or "json?" in address or "seq=0" in address, address
        assert "<script" not in OURS.sub("", html), address
        assert "<img" not in html, address
        tags = BeautifulSoup(html, "html.parser").find_all()
        assert not [tag for tag in tags if any(name.startswith("on") for name in tag.attrs)], address
        assert not [tag for tag in tags if str(tag.get("href", "")).startswith(("javascript:", "data:"))], (
            address
        )
        if "/start" not in address:
            assert not OBEYED.search(html), (address, OBEYED.search(html))


@pytest.mark.django_db
def test_no_page_has_inline_styles_or_scripts(ada: Client, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=20)
    live = stories.a_crawl(version, n_pages=20, finish="running", seconds_ago=600.0)
    for address in [*addresses(run), f"/runs/{live.id}", "/runs/start", "/nowhere"]:
        soup = BeautifulSoup(ada.get(address).content, "html.parser")
        assert not soup.select("[style], style"), address
        assert all(script.get("src") for script in soup.select("script")), address
        assert not [
            tag for tag in soup.find_all() if any(name.startswith(("on", "hx-on")) for name in tag.attrs)
        ]


@pytest.mark.django_db
def test_pages_forbid_what_they_do_not_need(ada: Client) -> None:
    policy = ada.get("/runs").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


@pytest.mark.django_db
def test_htmx_may_neither_evaluate_nor_leave_the_host(see: See) -> None:
    config = one(see("/runs"), "meta[name=htmx-config]")["content"]
    for rule in (
        '"allowEval":false',
        '"allowScriptTags":false',
        '"selfRequestsOnly":true',
        '"historyCacheSize":0',
    ):
        assert rule in config


@pytest.mark.django_db
def test_the_marks_can_be_seen(see: See, version: AgentVersion) -> None:
    title = words(one(see(f"/runs/{stories.a_hostile_run(version).id}"), "h1"))
    assert (
        title
        == "<script>alert(1)</script><img src=x onerror=alert(2)>\"'⟨U+202E⟩gnp.exe⟨U+001B⟩[31mred⟨U+200B⟩"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 日本語, emoji 👩‍🚀", "plain, ünïcode, 日本語, emoji 👩‍🚀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x07\x7f\x9b", "⟨U+001B⟩[2J⟨U+0007⟩⟨U+007F⟩⟨U+009B⟩"),
        ("a\u202eb\u2066c\u200fd", "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200F⟩d"),
        ("\U000e0041\ufeff", "⟨U+E0041⟩⟨U+FEFF⟩"),
    ],
)
def test_only_what_would_be_obeyed_is_marked(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_line_is_one_line_and_short() -> None:
    assert line("a\n\n b\tc") == "a b c"
    assert line("x" * 300, 20) == "x" * 19 + "…"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](data:text/html,x)", "[x](data:text/html,x)"),
        ("![i](https://evil.example/i.png)", ""),
        ("<img src=x onerror=alert(1)>", "&lt;img"),
        ("[x](https://a.example/ 'onclick=1')", 'rel="noopener noreferrer nofollow"'),
        ("[x](//evil.example)", ">x</a>"),
    ],
)
def test_a_report_can_do_nothing(markdown: str, html: str) -> None:
    rendered = render_markdown(markdown)
    assert html in rendered
    assert not BeautifulSoup(rendered, "html.parser").select("script, img, [onclick], [onerror], [style]")
    assert not re.search(r'href="(?!https?:|mailto:|//)', rendered)
