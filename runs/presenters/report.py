"""Markdown that an agent wrote, as HTML that cannot do anything: an allow-list, no images, no scripts."""

from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from runs.presenters import text

MAX_CHARACTERS = 500_000
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def report_of(output: Any) -> SafeString | None:
    """Return the `report` of an output as HTML; None when it has none."""
    report = output.get("report") if isinstance(output, dict) else None
    return render_markdown(report) if isinstance(report, str) and report.strip() else None


def render_markdown(source: str) -> SafeString:
    """Return clean HTML; links open nothing but web and mail addresses and tell nobody where they were followed."""
    html = _markdown.render(text.visible(source[:MAX_CHARACTERS]))
    clean = nh3.clean(
        html, tags=TAGS, attributes={"a": {"href", "title"}, "ol": {"start"}}, url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )  # fmt: skip
    return mark_safe(clean)  # noqa: S308 -- nh3 has just taken out all that is not on the list
