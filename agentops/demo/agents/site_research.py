"""`site-research`: read a web site politely, summarise every page, and publish a report with its sources.

The run walks `plan` → `read`, once a page → `outline` → `write` → `publish`. Each arrow is a checkpoint: kill the
worker anywhere, and another one goes on with the next page. Where the site fails for longer than retries last, `recovery`
says what is tried; a dead link is no failure, and the node itself passes over it.
"""

from typing import Any

from django.conf import settings

from agentops.demo.crawl import (
    FAULTS,
    crawl_delay_seconds,
    frontier,
    may_read,
    new_links,
    robots_txt,
    sitemap,
)
from agentops.demo.report import markdown_report, title_of
from runs.program import (
    ActionFailedError,
    Context,
    Fail,
    Finish,
    Goto,
    Program,
    RejectedError,
    Sleep,
    heal,
    node,
)

LONGEST_PAUSE_IN_PLACE_SECONDS = 2.0


class SiteResearch(Program):
    name = "site-research"
    version = "2"
    title = "Site research"
    description = "Reads the pages of a web site, summarises each, and publishes a report with its sources."
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "root": {
                "title": "Address",
                "description": "Where to begin. Left out: the demo site on this machine.",
                "type": "string",
                "format": "uri",
                "pattern": "^https?://",
            },
            "max_pages": {
                "title": "Pages",
                "description": "How many pages to read at most.",
                "type": "integer",
                "minimum": 5,
                "maximum": 500,
                "default": 120,
            },
            "query": {
                "title": "Question",
                "description": "What the summaries lean towards. Left out: what each page itself dwells on.",
                "type": "string",
                "maxLength": 200,
            },
            "ask_first": {
                "title": "Ask before publishing",
                "description": "Somebody approves the report, or changes it, at Approvals.",
                "type": "boolean",
                "default": True,
            },
        },
    }

    recovery = (
        heal.on("timeout", tool="http.get", node="read", rungs=[
            heal.longer_timeout(max_seconds=60), heal.retry(after_seconds=30), heal.cached_read(), heal.skip(value=None),
        ]),
        heal.on(*FAULTS, tool="http.get", node="read", rungs=[
            heal.retry(times=2, after_seconds=20), heal.cached_read(), heal.skip(value=None),
        ]),
        heal.on(*FAULTS, tool="http.get", rungs=[
            heal.longer_timeout(max_seconds=60), heal.retry(times=5, after_seconds=15, factor=1.5), heal.cached_read(), heal.ask(times=3),
        ]),
        heal.on(*FAULTS, tool="report.publish", rungs=[
            heal.longer_timeout(max_seconds=60), heal.retry(times=5, after_seconds=15, factor=1.5), heal.ask(times=3), heal.dead_letter(),
        ]),
    )  # fmt: skip

    def title_of(self, state: Any) -> str:
        return title_of(state)

    @node(start=True)
    def plan(self, ctx: Context, state: Any) -> Goto | Fail:
        """Ask the site what may be read and how fast, and list the pages to read."""
        root = state.get("root") or settings.DEMO_SITE_URL
        if not root:
            return Fail("say where to begin in `root`: there is no demo site here", code="no_root")
        robots = robots_txt(ctx, root)
        if not may_read(robots, root):
            return Fail(f"robots.txt forbids reading {root}", code="forbidden_by_robots")
        home = ctx.tool("http.get", url=root)
        candidates = [*sitemap(ctx, root), home["url"], *home["links"]]
        max_pages = state.get("max_pages", 120)
        todo = frontier(candidates, root=home["url"], robots=robots, limit=max_pages)
        return Goto(
            "read",
            set={
                "title": title_of(state),
                "root": home["url"],
                "query": state.get("query", ""),
                "max_pages": max_pages,
                "robots": robots,
                "pause_seconds": crawl_delay_seconds(robots),
                "todo": todo,
                "pages": [],
                "skipped": [],
            },
            note=f"{len(todo)} pages to read",
        )

    @node
    def read(self, ctx: Context, state: Any) -> Goto | Sleep:
        """Read and summarise the next page; a dead link, and what no rung could bring, is skipped with the reason."""
        done, todo = len(state["pages"]) + len(state["skipped"]), state["todo"]
        if done == len(todo):
            return Goto("outline", note="all pages read")
        pause = min(state["pause_seconds"], LONGEST_PAUSE_IN_PLACE_SECONDS)
        try:
            page = ctx.tool("http.get", url=todo[done], pause_seconds=pause)
        except ActionFailedError as error:
            if heal.is_of(error.error_code, *FAULTS):
                raise
            return self._skipped(ctx, state, str(error), error.error_code)
        if page is None:
            return self._skipped(ctx, state, "the site did not give it, whatever was tried", "no rung helped")
        digest = ctx.tool("text.summarise", title=page["title"], text=page["text"], query=state["query"])
        kept = {name: page[name] for name in ("url", "title", "etag", "bytes")} | digest
        ctx.progress(done + 1, len(todo), "pages")
        return _next_page(
            state, append={"pages": kept}, extend={"todo": new_links(page, state)}, note=page["title"]
        )

    def _skipped(self, ctx: Context, state: Any, reason: str, note: str) -> Goto | Sleep:
        done = len(state["pages"]) + len(state["skipped"])
        ctx.progress(done + 1, len(state["todo"]), "pages")
        skipped = {"url": state["todo"][done], "reason": reason}
        return _next_page(state, append={"skipped": skipped}, note=f"skipped: {note}")

    @node
    def outline(self, ctx: Context, state: Any) -> Goto:
        """Find the topics that the pages share, and the sentences that stand for the whole site."""
        pages = state["pages"]
        texts = [" ".join([page["title"], *page["keywords"], *page["summary"]]) for page in pages]
        topics = ctx.tool("text.topics", texts=texts)
        first_sentences = "\n\n".join(page["summary"][0] for page in pages if page["summary"])
        overview = ctx.tool(
            "text.summarise", title="Overview", text=first_sentences, query=state["query"], max_sentences=5
        )
        return Goto(
            "write", set={"topics": topics, "overview": overview["summary"]}, note=f"{len(topics)} topics"
        )

    @node
    def write(self, ctx: Context, state: Any) -> Goto:
        """Write the report, and keep it as a file beside the list of its sources."""
        report = markdown_report(state, date=ctx.now()[:10])
        (ctx.workspace / "report.md").write_text(report, encoding="utf-8")
        sources = "".join(f"{page['url']}\n" for page in state["pages"])
        (ctx.workspace / "sources.txt").write_text(sources, encoding="utf-8")
        return Goto("publish", set={"report": report}, note=f"{len(report):,} characters")

    @node
    def publish(self, ctx: Context, state: Any) -> Finish:
        """Publish the report. Should the worker die here, the next one sends it again under the same key."""
        args = {
            "slug": f"site-research-{ctx.run_id}",
            "title": state["title"],
            "markdown": state["report"],
        }
        if state.get("ask_first", True):
            told = f"{len(state['pages'])} pages are summarised, {len(state['skipped'])} were skipped."
            try:
                args = ctx.approve("report.publish", args=args, summary=told)
            except RejectedError as error:
                return Finish(output=_output(state, None), note=f"not published: {error.by} said no")
        published = ctx.tool("report.publish", **args)
        return Finish(
            output=_output(state, published["url"]),
            note=published["url"] or "not published: there is no demo site",
        )


def _output(state: Any, url: str | None) -> dict[str, Any]:
    return {
        "report": state["report"],
        "pages": len(state["pages"]),
        "skipped": state["skipped"],
        "published_url": url,
    }


def _next_page(state: Any, **updates: Any) -> Goto | Sleep:
    """Go on with the next page; before a long pause the run becomes a row and frees its worker."""
    if state["pause_seconds"] > LONGEST_PAUSE_IN_PLACE_SECONDS:
        return Sleep("read", seconds=state["pause_seconds"], **updates)
    return Goto("read", **updates)
