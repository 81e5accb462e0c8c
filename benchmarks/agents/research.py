"""The agent of W5."""

from typing import Any
from urllib.parse import urljoin

from agentops.demo.agents import SiteResearch
from agentops.demo.crawl import FAULTS
from runs.program import Context, Finish, ToolCall, heal, node, tool
from runs.tools.http import RETRY, http_post


@tool("bench.publish", effect="write", timeout_seconds=20.0, retry=RETRY)
def publish_report(call: ToolCall, root: str, title: str, markdown: str) -> str:
    """Publish on the site that was read."""
    url = urljoin(root, "/reports/research")
    http_post(call, url, {"title": title, "markdown": markdown})
    return url


class Researches(SiteResearch):
    """W5: `site-research`, which publishes on the very site that it has read, and waits less between rungs."""

    name = "bench-research"
    recovery = (  # type: ignore[assignment]  # its type is taken from the rules that stand in the base
        heal.on(*FAULTS, node="read", rungs=[
            heal.longer_timeout(max_seconds=60), heal.retry(times=2, after_seconds=3), heal.cached_read(), heal.skip(value=None),
        ]),
        heal.on(*FAULTS, rungs=[heal.longer_timeout(max_seconds=60), heal.retry(times=8, after_seconds=3, factor=1.5)]),
    )  # fmt: skip

    @node
    def publish(self, ctx: Context, state: Any) -> Finish:
        return Finish(
            output=ctx.tool(
                "bench.publish", root=state["root"], title=state["title"], markdown=state["report"]
            )
        )
