"""The reports that were published on the demo site, and the ledger of who asked for what how often."""

import hashlib
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


@dataclass(frozen=True, slots=True)
class Report:
    slug: str
    title: str
    markdown: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status and its JSON."""

    status: int
    body: dict[str, Any]
    is_repeated: bool = False


class Reports:
    """Publishes each report once per `Idempotency-Key`: the same key gets the same answer and changes nothing.

    With a ledger file every request that the site received is appended to it, one JSON line each. Published
    reports are read back from there, so that a site that was started anew honours the keys of its former life.
    """

    def __init__(self, ledger: Path | None = None) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._reports: dict[str, Report] = {}
        self._answers: dict[str, tuple[bytes, Answer]] = {}
        self._applied: Counter[str] = Counter()
        self._requests = 0
        if ledger and ledger.exists():
            self._read_back(ledger)

    def publish(self, slug: str, body: Any, key: str) -> Answer:
        """Return 201 with the report's path, 422 for what is no report, 409 for a key used for another one."""
        report, complaint = _report(slug, body)
        if report is None:
            return Answer(422, {"detail": complaint})
        with self._lock:
            known = self._answers.get(key)
            if known and known[0] != _digest(report):
                return Answer(409, {"detail": f"the idempotency key {key!r} was used for another report"})
            if known:
                return Answer(known[1].status, known[1].body, is_repeated=True)
            self._append({"applied": key, "slug": slug, "title": report.title, "markdown": report.markdown})
            return self._apply(report, key)

    def note(self, method: str, path: str, key: str) -> None:
        """Count a request that the site received, whatever becomes of it."""
        with self._lock:
            self._requests += 1
            self._append({"received": f"{method} {path}", "key": key})

    def all(self) -> list[Report]:
        with self._lock:
            return list(self._reports.values())

    def get(self, slug: str) -> Report | None:
        return self._reports.get(slug)

    def figures(self) -> dict[str, Any]:
        """Return how often each key was applied, and how many requests came since the start."""
        with self._lock:
            return {"applied": dict(self._applied), "requests": self._requests}

    def _apply(self, report: Report, key: str) -> Answer:
        self._reports[report.slug] = report
        self._applied[key or "(none)"] += 1
        answer = Answer(201, {"slug": report.slug, "path": f"/reports/{report.slug}"})
        if key:
            self._answers[key] = (_digest(report), answer)
        return answer

    def _append(self, entry: dict[str, str]) -> None:
        if self._ledger:
            with self._ledger.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def _read_back(self, ledger: Path) -> None:
        *lines, torn = ledger.read_text(encoding="utf-8").split("\n")
        for entry in map(json.loads, lines):
            if "applied" in entry:
                self._apply(Report(entry["slug"], entry["title"], entry["markdown"]), entry["applied"])
        if torn:  # a crash cut this line short; it was never answered
            ledger.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _report(slug: str, body: Any) -> tuple[Report | None, str]:
    if not _SLUG.fullmatch(slug):
        return None, "the name in the path may hold a-z, 0-9 and -, at most 100 of them"
    if not isinstance(body, dict) or not all(isinstance(body.get(key), str) for key in ("title", "markdown")):
        return None, 'send a JSON object {"title": "…", "markdown": "…"}'
    return Report(slug, body["title"], body["markdown"]), ""


def _digest(report: Report) -> bytes:
    return hashlib.sha256("\0".join((report.slug, report.title, report.markdown)).encode()).digest()
