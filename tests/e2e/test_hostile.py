"""Whatever an agent writes, the browser shows it and does nothing: no request leaves, nothing runs, nothing hangs."""

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Dialog, Page, Request, expect

from runs.checkpoints.codec import encode
from runs.models import AgentVersion, Run
from tests.e2e.server import WebServer
from tests.ui.builders import Action, RunBuilder
from tests.ui.stories import HOSTILE

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "<img src=https://evil.example/x.png onerror=alert(1)>" * 100_000
NUMBERS = [2**63 - 1, -(2**63), 1e308, 5e-324, -0.0]
IMAGE = "![x](https://evil.example/y.png) <iframe src=//evil.example></iframe> <base href=//evil.example>"
KEY = "a/~<script>alert(4)</script>"


def deep(levels: int) -> Any:
    value: Any = HOSTILE
    for level in range(levels):
        value = {"d": value} if level % 2 else [value]
    return value


def a_very_hostile_run(version: AgentVersion) -> Run:
    """A run with five megabytes of markup, JSON two hundred levels deep, and numbers at the edges."""
    b = RunBuilder(version, title=HOSTILE, state={KEY: HOSTILE})
    bad = Action(
        HOSTILE[:60],
        {"long": LONG, "deep": deep(190), "numbers": NUMBERS},
        {"text": LONG, "deep": deep(190)},
        summary=IMAGE,
    )
    b.node("plan", summary=IMAGE, actions=[bad], logs=[("info", LONG[:200_000]), (HOSTILE[:10], IMAGE)],
           delta=[["set", "/long", LONG], ["set", "/deep", deep(190)], ["set", "/numbers", NUMBERS]])  # fmt: skip
    talk = [
        {"role": HOSTILE, "content": HOSTILE},
        {"role": "user", "content": [{"type": "text", "text": IMAGE}]},
    ]
    b.node("say", delta=[["set", "/messages", talk], ["set", "/long", LONG.replace("x.png", "z.png", 3)]])
    seq = b.node(
        HOSTILE[:90],
        status="failed",
        error_code=HOSTILE[:60],
        tries=[(HOSTILE, LONG[:50_000])],
        summary=HOSTILE,
    )
    output = encode({"report": f"# {HOSTILE}\n\n{IMAGE}\n\n[x](javascript:alert(3))\n"})
    error = {
        "code": HOSTILE,
        "type": HOSTILE,
        "message": HOSTILE,
        "node": HOSTILE,
        "seq": seq,
        "detail": LONG[:50_000],
    }
    return b.save(
        status="failed", error=error, end_reason=HOSTILE, ended_by=HOSTILE[:90], node=HOSTILE[:90], output=output.body,
        output_codec=output.codec,
    )  # fmt: skip


def pages(run: Run) -> list[str]:
    own = f"/runs/{run.id}"
    at = quote(f"/{KEY.replace('~', '~0').replace('/', '~1')}")
    tabs = [
        "",
        "/story",
        "/log",
        "/state",
        "/output",
        "/raw",
        "/branches",
        "/waits",
        "/steps/1",
        "/steps/2",
        "/steps/4",
    ]
    parts = [
        f"/state?at={at}", "/state?at=/deep", "/state?at=/long", "/diff/0..1", "/diff/1..3", f"/find?q={quote('<img src')}",
    ]  # fmt: skip
    return [own + part for part in [*tabs, *parts]] + ["/runs", "/runs/dead-letters"]


def test_no_page_runs_or_fetches_what_an_agent_wrote(
    desk: Page, server: WebServer, version: AgentVersion
) -> None:
    run = a_very_hostile_run(version)
    left: list[str] = []
    shown: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(server.url).netloc:
            left.append(request.url)

    def dismiss(dialog: Dialog) -> None:
        shown.append(dialog.message)
        dialog.dismiss()

    desk.on("request", note)
    desk.on("dialog", dismiss)
    for address in pages(run):
        answer = desk.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        assert len(answer.body()) < 1_500_000, address
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert (left, shown) == ([], [])


def test_what_is_very_long_opens_part_by_part(desk: Page, version: AgentVersion) -> None:
    run = a_very_hostile_run(version)
    desk.goto(f"/runs/{run.id}/state")
    desk.locator(".state a.key", has_text="deep").first.click()
    expect(desk.locator("#place header")).to_contain_text("/deep")
    n_shown = desk.locator("#place .json summary:visible").count()
    desk.locator("#place .json summary:visible").last.click()
    expect(desk.locator("#place .json summary:visible")).not_to_have_count(n_shown)
