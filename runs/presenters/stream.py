"""News of a run as server-sent events, each with the id from which the stream goes on behind it.

Source: the HTML standard, server-sent events.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zlib import crc32

import orjson

from runs.models import LogLine, Run, Step
from runs.presenters import wire
from runs.selectors.news import News
from runs.selectors.told import Told

CONTENT_TYPE = "text/event-stream; charset=utf-8"
HEARTBEAT = b": still here\n\n"
RETRY_MS = 2000


def greeting() -> bytes:
    """Return the beginning of a stream: how long to wait before coming back."""
    return b"retry: %d\n\n" % RETRY_MS


def events_of(news: News, told: Told) -> tuple[bytes, Told]:
    """Return the news as events, and what has been told behind them: the lines of a step, the step, then the run."""
    events = bytearray()
    for name, data, behind in _told(news, told):
        told = behind
        text = orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z)
        events += b"id: %b\nevent: %b\ndata: %b\n\n" % (str(told).encode(), name.encode(), text)
    return bytes(events), told


def is_over(news: News) -> bool:
    """Return whether nothing can come behind these news, unless somebody retries the run."""
    return news.is_all and news.run.ended_at is not None


def _told(news: News, told: Told) -> Iterator[tuple[str, dict[str, Any], Told]]:
    rows: list[LogLine | Step] = [*news.lines, *news.steps]
    for row in sorted(rows, key=lambda row: (row.seq, isinstance(row, Step))):
        if isinstance(row, LogLine):
            told = told.with_line(row.seq, row.n)
            yield "log", _line(row), told
        else:
            is_failed_node = row.kind == "node" and row.status == "failed"
            told = told.with_step(row.seq, failed_attempt=row.node_attempt if is_failed_node else None)
            yield "step", wire.step_row(row).model_dump(), told
    if news.is_all:
        yield from _of_run(news.run, told)


def _of_run(run: Run, told: Told) -> Iterator[tuple[str, dict[str, Any], Told]]:
    """Yield progress and status where they are not what was said last; the status is the last word."""
    progress = {"done": run.progress_done, "total": run.progress_total, "note": run.progress_note}
    mark = f"{crc32(orjson.dumps(progress)):x}" if run.progress_done is not None else ""
    if mark and mark != told.progress:
        told = replace(told, progress=mark)
        yield "progress", progress, told
    status = f"{run.status}@{run.ended_at.timestamp():.6f}" if run.ended_at else run.status
    if status != told.status:
        yield "status", _status(run), replace(told, status=status)


def _status(run: Run) -> dict[str, Any]:
    return {
        "status": run.status, "health": run.health, "node": run.node, "head_seq": run.head_seq, "steps": run.n_steps,
        "wake_at": run.wake_at, "waiting_on": run.waiting_on,
        "error": {"code": run.error.get("code"), "message": run.error.get("message")} if run.error else None,
        "ended_by": run.ended_by, "end_reason": run.end_reason, "ended_at": run.ended_at,
    }  # fmt: skip


def _line(line: LogLine) -> dict[str, Any]:
    return {"seq": line.seq, "n": line.n, "level": line.level, "message": line.message, "at": line.at}
