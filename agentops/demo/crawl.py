"""Being a polite crawler: what a site allows, where its pages are, how fast they may be read."""

import html
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from runs.program import ActionFailedError, Context, heal
from runs.tools.exchange import USER_AGENT

MAX_PAUSE_SECONDS = 600.0
# What is the site's fault, or its network's, and may be otherwise a while later.
FAULTS = ("timeout", "rate_limited", "unavailable")
_DELAY = re.compile(r"^\s*crawl-delay\s*:\s*(\d+(?:\.\d+)?)", re.IGNORECASE | re.MULTILINE)
_LOCATION = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
_NO_PAGE = re.compile(
    r"\.(css|js|json|xml|txt|pdf|zip|t?gz|png|jpe?g|gif|svg|ico|webp|mp[34]|woff2?)$", re.IGNORECASE
)


def robots_txt(ctx: Context, root: str) -> str:
    """Return what the site says to robots; nothing when it has no such file, so that all may be read.

    Raises: ActionFailedError when the site cannot tell, for then nothing may be read (RFC 9309 §2.3.1).
    """
    try:
        return str(ctx.tool("http.get", url=urljoin(root, "/robots.txt"), max_text_chars=500_000)["text"])
    except ActionFailedError as error:
        if re.fullmatch(r"http_4\d\d", error.error_code) and not heal.is_of(error.error_code, *FAULTS):
            return ""
        raise


def sitemap(ctx: Context, root: str) -> list[str]:
    """Return the addresses in the site's sitemap (sitemaps.org protocol 0.9); none when it has no such file.

    Raises: ActionFailedError when the site cannot tell.
    """
    try:
        text = ctx.tool("http.get", url=urljoin(root, "/sitemap.xml"), max_text_chars=1_000_000)["text"]
    except ActionFailedError as error:
        if heal.is_of(error.error_code, *FAULTS):
            raise
        return []
    return [html.unescape(location) for location in _LOCATION.findall(text)]


def crawl_delay_seconds(robots: str) -> float:
    """Return the longest pause that robots.txt asks of anyone, so that none is undercut; 0 without one.

    `urllib.robotparser` drops fractions of a second, therefore it is read here.
    """
    return min(max(map(float, _DELAY.findall(robots)), default=0.0), MAX_PAUSE_SECONDS)


def may_read(robots: str, url: str) -> bool:
    """Whether robots.txt lets us read `url` (RFC 9309)."""
    return _rules(robots).can_fetch(USER_AGENT, url)


def frontier(
    links: Iterable[str], *, root: str, robots: str, known: Collection[str] = (), limit: int
) -> list[str]:
    """Return the pages of the root's own site among `links` that may be read and are not known, each once."""
    rules = _rules(robots)
    wanted: dict[str, None] = {}
    for link in links:
        if len(wanted) >= limit:
            break
        url = urldefrag(link).url
        if url not in known and _is_page_of(root, url) and rules.can_fetch(USER_AGENT, url):
            wanted[url] = None
    return list(wanted)


def new_links(page: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Return the links of a page that are still to be read, as long as there is room for more."""
    todo = state["todo"]
    room = state["max_pages"] - len(todo)
    return frontier(page["links"], root=state["root"], robots=state["robots"], known=set(todo), limit=room)


def _rules(robots: str) -> RobotFileParser:
    rules = RobotFileParser()
    rules.parse(robots.splitlines())
    return rules


def _is_page_of(root: str, url: str) -> bool:
    ours, theirs = urlsplit(root), urlsplit(url)
    return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc) and not _NO_PAGE.search(theirs.path)
