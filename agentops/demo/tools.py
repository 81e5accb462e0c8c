"""The tools of the demo agents."""

from urllib.parse import urljoin

from django.conf import settings

from agentops.common.types import JsonObject, JsonValue
from agentops.demo.summarise import keywords, summarise
from agentops.demo.topics import topics
from runs.program import Effect, ToolCall, tool
from runs.tools.http import RETRY, http_post


@tool("text.summarise", effect=Effect.COMPUTE)
def text_summarise(
    call: ToolCall, title: str, text: str, query: str = "", max_sentences: int = 3
) -> JsonObject:
    """Choose the most telling sentences of a text, and its keywords. `title` only names the step."""
    summary: list[JsonValue] = list(summarise(text, max_sentences=max_sentences, query=query))
    return {"summary": summary, "keywords": list(keywords(text))}


@tool("text.topics", effect=Effect.COMPUTE)
def text_topics(call: ToolCall, texts: list[str]) -> list[JsonValue]:
    """Group texts by topic: a label, and the places of its texts in the list."""
    return [{"label": topic.label, "pages": list(topic.members)} for topic in topics(texts)]


@tool("report.publish", effect=Effect.WRITE, timeout_seconds=20.0, retry=RETRY)
def report_publish(call: ToolCall, slug: str, title: str, markdown: str) -> JsonObject:
    """Put a report on the demo site, once however often it is sent; `url` is null where there is no demo site."""
    if not settings.DEMO_SITE_URL:
        return {"url": None}
    url = urljoin(settings.DEMO_SITE_URL, f"/reports/{slug}")
    http_post(call, url, {"title": title, "markdown": markdown})
    return {"url": url}
