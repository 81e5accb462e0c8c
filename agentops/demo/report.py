"""The report of `site-research`, as Markdown (pure)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

_SPECIAL = re.compile(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])")

METHOD = (
    "Every page named here was fetched with the pace and the limits that the site's robots.txt asks for. The "
    "sentences under a page are its own: they were chosen by TextRank (Mihalcea and Tarau, 2004), which keeps the "
    "sentences that most others of the page resemble. Pages were put under one heading by the words they share "
    "(tf-idf, spherical k-means). No language model took part, and nothing was written anew, so a summary "
    "can mislead only by what it leaves out."
)


def markdown_report(state: Mapping[str, Any], *, date: str) -> str:
    """Return the report: overview, pages by topic with their sources, what was skipped, and how it was done."""
    return "\n\n".join(
        [
            f"# {_plain(state['title'])}",
            _overview(state, date),
            *(_section(topic, state["pages"]) for topic in state["topics"]),
            *_skipped(state["skipped"]),
            f"## Method\n\n{METHOD}\n",
        ]
    )


def title_of(given: Mapping[str, Any]) -> str:
    """Return what a run with this input is called."""
    host = urlsplit(given.get("root") or "").netloc or "the demo site"
    query = str(given.get("query") or "").strip()
    return f"Research of {host}: {query}" if query else f"Research of {host}"


def _overview(state: Mapping[str, Any], date: str) -> str:
    pages, skipped = len(state["pages"]), len(state["skipped"])
    megabytes = sum(page["bytes"] for page in state["pages"]) / 1_000_000
    figures = (
        f"{pages} pages of <{_target(state['root'])}> ({megabytes:.1f} MB) were read on {date}; "
        f"{skipped} could not be read."
    )
    contents = "\n".join(f"- {_plain(topic['label'])} ({len(topic['pages'])})" for topic in state["topics"])
    return f"## Overview\n\n{figures}\n\n{_prose(state['overview'])}\n\n{contents}"


def _section(topic: Mapping[str, Any], pages: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join([f"## {_plain(topic['label'])}", *(_page(pages[index]) for index in topic["pages"])])


def _page(page: Mapping[str, Any]) -> str:
    words = f"\n\nKeywords: {_plain(', '.join(page['keywords']))}" if page["keywords"] else ""
    title = _plain(page["title"] or page["url"])
    return f"### [{title}](<{_target(page['url'])}>)\n\n{_prose(page['summary'])}{words}"


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if skipped:
        items = "\n".join(f"- <{_target(page['url'])}>: {_plain(page['reason'])}" for page in skipped)
        yield f"## Pages that could not be read\n\n{items}"


def _prose(sentences: Sequence[str]) -> str:
    return _plain(" ".join(sentences)) or "No prose was found."


def _plain(text: str) -> str:
    """Return text of the web as text of Markdown: it can neither link nor format."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _target(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
