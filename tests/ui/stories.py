"""Whole runs for the pages to show: a crawl in its several ends, a very long run, and one that attacks the page."""

from datetime import timedelta
from typing import Any

from runs.checkpoints.codec import encode
from runs.models import AgentVersion, Batch, Callback, CallbackAttempt, Checkpoint, Intent, Run, Step, Worker
from runs.services.flag_integrity import flag_integrity
from tests.ui.builders import TRACE, Action, RunBuilder

WORDS = [
    "asyncio", "contextlib", "dataclasses", "decimal", "enum", "fractions", "functools", "graphlib", "heapq",
    "itertools", "json", "logging",
]  # fmt: skip


def page(number: int) -> str:
    return f"https://docs.example.org/{WORDS[number % len(WORDS)]}.{number}.html"


def read_page(builder: RunBuilder, number: int, **action: Any) -> int:
    """Add one `read` node that fetches a page and notes it in the state."""
    url = page(number)
    body = {
        "status": 200,
        "title": f"{WORDS[number % len(WORDS)]} — page {number}",
        "words": 800 + 37 * number % 900,
    }
    return builder.node(
        "read", summary=url.rsplit("/", 1)[1], actions=[Action(**{"args": {"url": url}, "output": body, **action})],
        delta=[["append", "/pages", [body | {"url": url}]], ["set", "/done", number + 1], ["merge", "/seen", {url: 200}]],
        logs=[("info", f"read {url}")] if number % 10 == 0 else (),
    )  # fmt: skip


def a_crawl(version: AgentVersion, *, n_pages: int = 114, finish: str = "succeeded", **kwargs: Any) -> Run:
    """A crawl: plan, many pages with retries and one that fails for good, a sleep of a day, a draft, publishing.

    Args:
        version: of the agent.
        n_pages: how many `read` nodes.
        finish: `succeeded`, `failed` (at draft), `running` (in the middle of reading), `sleeping`.
        kwargs: for RunBuilder.
    """
    b = RunBuilder(
        version,
        **{
            "seconds_ago": 2 * 86400.0,
            "state": {"root": "https://docs.example.org/", "topics": ["asyncio"]},
            **kwargs,
        },
    )
    _plan(b, n_pages)
    for number in range(n_pages if finish != "running" else n_pages // 2):
        read_page(b, number, **_luck(number))
    if finish == "running":
        return _running(b, n_pages)
    b.sleep(41 * 3600 + 600)
    if finish == "sleeping":
        wake_at = b.now + timedelta(hours=3)
        return b.save(
            status="sleeping", node="draft", node_seq=b.seq + 1, wake_at=wake_at, progress_done=n_pages, progress_total=n_pages,
            waiting_on={"kind": "timer", "seq": b.seq + 1, "text": "draft is due"},
        )  # fmt: skip
    return _failed(b, n_pages) if finish == "failed" else _published(b, n_pages)


def _plan(b: RunBuilder, n_pages: int) -> None:
    todo = [page(number) for number in range(n_pages)]
    listing = Action("sitemap.list", {"root": "https://docs.example.org/"}, todo, 1.7)
    b.node(
        "plan", summary=f"{n_pages} pages found under /docs", actions=[listing], logs=[("info", "sitemap read")],
        delta=[["set", "/todo", todo], ["set", "/pages", []], ["set", "/report", {"status": "none"}]],
    )  # fmt: skip


def _luck(number: int) -> dict[str, Any]:
    slow = ("http_timeout", "the server sent nothing for 10 s")
    if number == 61:
        gone = {"code": "http_timeout", "message": f"{page(61)} sent nothing for 10 s, three times"}
        return {
            "status": "failed",
            "attempts": 3,
            "seconds": 31.0,
            "output": gone,
            "tries": [slow, slow, slow],
        }
    if number in (17, 40, 88):
        return {"attempts": 2, "seconds": 12.0, "tries": [slow]}
    return {"seconds": 0.3 + (number * 7 % 11) / 10}


def _running(b: RunBuilder, n_pages: int) -> Run:
    b.clock = b.now - timedelta(seconds=4)
    done = n_pages // 2
    seq = b.node("read", is_done=False, actions=[
        Action(args={"url": page(done)}, output={"status": 200}, seconds=1.1),
        Action("text.summarise", {"sentences": 3}, {"text": "…"}, 0.2, effect="compute"),
    ])  # fmt: skip
    return b.save(
        status="running", node="read", node_seq=seq, node_at=b.now - timedelta(seconds=4), progress_done=done,
        progress_total=n_pages, progress_note=page(done),
    )  # fmt: skip


def _draft_actions() -> list[Action]:
    return [
        Action(
            "text.summarise",
            {"sentences": 40},
            {"text": "The report cites 113 of 114 pages. " * 900},
            41.0,
            effect="compute",
        ),
        Action("report.render", {"format": "markdown"}, {"words": 2310}, 3.0, effect="compute"),
    ]


def _failed(b: RunBuilder, n_pages: int) -> Run:
    message = "the summary has no sentence about 'asyncio', so the report would have no introduction"
    tries = [("ValueError", message)] * 3
    seq = b.node(
        "draft", status="failed", attempts=3, error_code="ValueError", actions=_draft_actions()[:1], tries=tries,
        summary=message, logs=[("warning", "no sentence about 'asyncio'"), ("error", "giving up")],
    )  # fmt: skip
    error = {
        "code": "ValueError",
        "type": "ValueError",
        "message": message,
        "node": "draft",
        "seq": seq,
        "detail": TRACE,
    }
    return b.save(
        status="failed",
        error=error,
        progress_done=n_pages,
        progress_total=n_pages,
        node="draft",
        node_seq=seq,
    )


def _published(b: RunBuilder, n_pages: int) -> Run:
    b.node(
        "draft", summary="report.md, 2,310 words, 113 sources", actions=_draft_actions(), overhead_seconds=2.0,
        delta=[["set", "/report", {"status": "draft", "words": 2310}], ["remove", "/todo", None]],
    )  # fmt: skip
    b.node(
        "rest",
        actions=[
            Action("sleep", {"seconds": 900}, None, 900.0, kind="wait", effect="", summary="seconds 900")
        ],
    )
    written = Action(
        "report.publish", {"path": "/weekly/2026-47.html", "title": "Docs review, week 47"}, {"etag": "a91f", "bytes": 48211},
        2.2, effect="write",
    )  # fmt: skip
    last = b.node(
        "publish", summary="published at /weekly/2026-47.html", actions=[written],
        delta=[["set", "/report/status", "ready"], ["merge", "/report", {"sha256": "c1d077ef", "path": "/weekly/2026-47.html"}],
               ["append", "/messages", ["The report cites 113 of 114 pages;", "legacy.html was skipped after 3 timeouts."]]],
    )  # fmt: skip
    output = encode({"report": REPORT, "pages": n_pages, "skipped": [page(61)]})
    return b.save(
        output=output.body, output_codec=output.codec, progress_done=n_pages, progress_total=n_pages, node="publish",
        node_seq=last, cost_microusd=1_490_000,
    )  # fmt: skip


REPORT = """# Docs review, week 47

The crawl read **113 of 114** pages under `docs.example.org`.

## What the pages say

1. *asyncio* is a library to write concurrent code [1].
2. *contextlib* has utilities for `with` statements [2].

> One page, `legacy.61.html`, did not answer three times and was skipped.

| topic | pages |
|---|---|
| asyncio | 10 |
| decimal | 9 |

## Sources

1. [asyncio](https://docs.example.org/asyncio.0.html)
2. [contextlib](https://docs.example.org/contextlib.1.html)
"""


def a_long_run(version: AgentVersion, n_steps: int, *, n_names: int = 1) -> Run:
    """A succeeded run of `n_steps` rows: nodes with one action each, `n_names` different names in turn."""
    b = RunBuilder(version, title=f"{n_steps} steps", seconds_ago=7200.0)
    for number in range(n_steps // 2):
        b.node(f"read{number % n_names or ''}", actions=[Action(args={"url": page(number)}, output={}, seconds=0.2)],
               delta=[["set", "/done", number]])  # fmt: skip
    return b.save()


def a_transfer(version: AgentVersion) -> Run:
    """A run that waits for somebody to tell whether a bank transfer happened, which timed out."""
    b = RunBuilder(version, title="Pay invoice 2026-118", seconds_ago=900.0)
    b.node(
        "check",
        summary="invoice is due",
        actions=[Action("invoice.get", {"id": "2026-118"}, {"due": "2026-11-21"})],
    )
    args = {
        "to": "Bea Brook Ltd",
        "iban": "DE02 1203 0000 0000 2020 51",
        "amount": "4180.00",
        "currency": "EUR",
    }
    timed_out = ("timeout", "the bank did not answer within 60 s")
    transfer = Action(
        "bank.transfer",
        args,
        seconds=60.0,
        status="running",
        effect="destructive",
        summary="4180.00 EUR to Bea Brook Ltd",
        tries=[timed_out],
    )
    seq = b.node("pay", is_done=False, actions=[transfer])
    waiting_on = {"kind": "unknown", "seq": seq + 1, "text": "did bank.transfer happen?"}
    Worker.objects.create(
        id=b.worker_id,
        host="worker-7",
        boot_id="",
        pid_ns="",
        pid=4711,
        pid_start=0,
        dead_at=b.clock,
        dead_reason="its process ended",
    )
    run = b.save(status="awaiting_approval", node="pay", node_seq=seq, node_at=b.clock, waiting_on=waiting_on)
    Step.objects.filter(run=run, seq=seq + 1).update(status="unknown")
    Intent.objects.filter(run=run).update(created_at=b.clock - timedelta(seconds=60))
    return run


def a_forged_run(version: AgentVersion) -> Run:
    """A run that was stopped because a stored row is not what was written."""
    run = a_crawl(version, finish="sleeping", n_pages=6, title="Docs review, week 41")
    Checkpoint.objects.filter(run=run, seq=3).update(body=b"[]", codec=0)
    text = f"the checkpoint of run {run.pk} at step 3 fails its integrity check"
    flag_integrity(run_id=run.pk, text=text, last_good_seq=1)
    return run


def a_poisoned_run(version: AgentVersion) -> Run:
    """A failed run that ended three worker processes when it ran alone."""
    b = RunBuilder(version, title="Thumbnails of the archive", seconds_ago=7200.0)
    b.node("list", summary="2,118 images", delta=[["set", "/n", 2118]])
    error = {
        "code": "poison", "type": "Poison", "node": "convert", "seq": 2, "attempts": 3, "detail": "its process ended",
        "message": "the worker process died 3 times while it ran node convert of this run alone",
    }  # fmt: skip
    return b.save(
        status="failed", node="convert", node_seq=2, error=error, lost_alone=3, lost_together=2, lost_seq=2
    )


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202egnp.exe\x1b[31mred\u200b"


def a_hostile_run(version: AgentVersion) -> Run:
    """A failed run in which everything that an agent can write is an attack on the page."""
    b = RunBuilder(version, title=HOSTILE, state={HOSTILE: HOSTILE})
    bad = Action(
        HOSTILE[:60],
        {HOSTILE: HOSTILE},
        {"code": HOSTILE[:60], "message": HOSTILE},
        status="failed",
        summary=HOSTILE,
        tries=[(HOSTILE, HOSTILE)],
    )
    b.node("plan", summary=HOSTILE, actions=[bad], delta=[["set", "/" + HOSTILE.replace("/", "~1"), {HOSTILE: [HOSTILE]}]],
           logs=[("info", HOSTILE), (HOSTILE[:10], HOSTILE)])  # fmt: skip
    seq = b.node(
        HOSTILE[:90], status="failed", error_code=HOSTILE[:60], tries=[(HOSTILE, HOSTILE)], summary=HOSTILE
    )
    output = encode(
        {"report": f"# {HOSTILE}\n\n[x](javascript:alert(3)) ![i](https://evil.example/x.png) {HOSTILE}\n"}
    )
    error = {
        "code": HOSTILE,
        "type": HOSTILE,
        "message": HOSTILE,
        "node": HOSTILE,
        "seq": seq,
        "detail": HOSTILE,
    }
    return b.save(
        status="failed", error=error, progress_note=HOSTILE[:100], end_reason=HOSTILE, ended_by=HOSTILE[:90],
        waiting_on={"kind": HOSTILE, "text": HOSTILE}, output=output.body, output_codec=output.codec, node=HOSTILE[:90],
    )  # fmt: skip


def a_told_run(version: AgentVersion) -> Run:
    """A run whose first end nobody wanted to hear, and whose second one is being told."""
    run = a_crawl(version, n_pages=6, title="Nightly docs crawl for the shop")
    url = "https://shop.example.org/hooks/agentops?tenant=research&environment=production"
    Run.objects.filter(pk=run.pk).update(callback_url=url)
    assert run.ended_at
    for state, hours, status in (("given_up", 20, "failed"), ("due", 0, "succeeded")):
        ended_at = run.ended_at - timedelta(hours=hours)
        callback = Callback.objects.create(
            run=run, team_id=run.team_id, url=url, host="shop.example.org:443", run_status=status, body=b"{}",
            ended_at=ended_at, state=state, attempts=3 if state == "given_up" else 2, due_at=run.ended_at + timedelta(minutes=30),
        )  # fmt: skip
        _attempts(callback)
    return run


def _attempts(callback: Callback) -> None:
    told = [
        (
            503,
            "http_503",
            "503 Service Unavailable",
            "<html><body>We are deploying.\nTry again later.</body></html>",
        ),
        (None, "http_timeout", f"{callback.url} did not answer in time", ""),
        (410, "http_410", "410 Gone", '{"message": "no such tenant any more"}'),
    ]
    for number, (status, code, message, answer) in enumerate(told[: callback.attempts], 1):
        at = callback.ended_at + timedelta(minutes=6 * number)
        CallbackAttempt.objects.create(
            callback=callback, number=number, team_id=callback.team_id, started_at=at, ended_at=at, http_status=status,
            elapsed_ms=15_000 if status is None else 87, error_code=code, message=message, answer=answer,
        )  # fmt: skip


def a_family(version: AgentVersion, *, n_children: int = 60) -> tuple[Run, Run]:
    """A run that waits for many children, some of which have failed, and one of these."""
    b = RunBuilder(version, title="Audit of the standard library", seconds_ago=900)
    b.node("plan", summary=f"{n_children} parts")
    work = Action(
        kind="child_run", name=version.agent.slug, args={"inputs": []}, status="running", seconds=800,
        summary=f"{n_children} runs of {version.agent.slug}",
    )  # fmt: skip
    seq = b.node("audit", actions=[work], is_done=False)
    told = {"kind": "wait", "seq": seq + 1, "text": f"{n_children} runs of {version.agent.slug}"}
    parent = b.save(
        status="waiting", waiting_on=told, is_parent=True, node="audit", node_seq=seq, node_at=b.created_at
    )
    Batch.objects.create(team=version.team, name="standard library", created_by="ada")
    children = [_a_child(version, parent, seq + 1, n) for n in range(n_children)]
    return parent, children[7]


def _a_child(version: AgentVersion, parent: Run, seq: int, n: int) -> Run:
    b = RunBuilder(version, title=f"{WORDS[n % len(WORDS)]} {n + 1}", seconds_ago=800 - n)
    status = "failed" if n in (7, 19, 20) else "succeeded" if n < 31 else "running" if n < 36 else "waiting"
    turn = {"kind": "turn", "text": "its turn among the children of its parent"}
    more: dict[str, Any] = {"waiting_on": turn, "is_in_line": True} if status == "waiting" else {}
    if status == "failed":
        more["error"] = {"code": "encoding", "message": "the file is neither UTF-8 nor Latin-1", "seq": 1}
    if status != "waiting":
        b.node("read", summary="42 files", status=status if status == "failed" else "succeeded")
    run = b.save(
        status=status, parent=parent, parent_seq=seq, child_n=n, depth=1, batch_id="standard library", on_parent_end="cascade",
        **more,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(root_id=parent.pk)
    return run
