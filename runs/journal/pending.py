"""What rides with the next commit: log lines, failed attempts, progress, and counts."""

import time
from dataclasses import dataclass, field
from typing import Any

import orjson

MESSAGE_MAX_CHARS = 4000


def now_seconds() -> float:
    """Return a monotonic reading; only differences mean anything, the database says when it was."""
    return time.monotonic()


@dataclass(slots=True)
class Pending:
    """Kept in memory until a commit takes it along; lost with the process, like the work it describes."""

    logs: list[tuple[float, str, str]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    progress: tuple[int, int | None, str] | None = None
    n_retries: int = 0

    def log(self, level: str, message: str) -> None:
        self.logs.append((now_seconds(), level[:10], message[:MESSAGE_MAX_CHARS]))

    def attempt(self, row: dict[str, Any]) -> None:
        """Keep a failed attempt: seq, number, error_code, message, detail, retry_seconds, began, ended."""
        self.attempts.append(row)
        self.n_retries += 1

    def arms(self) -> tuple[str, ...]:
        """Return the names of the SQL arms that store what is pending."""
        return (("attempts",) if self.attempts else ()) + (("logs",) if self.logs else ())

    def params(self) -> dict[str, Any]:
        """Return the parameters of those arms; instants are given as seconds ago."""
        done, total, note = self.progress or (None, None, "")
        return {
            "n_retries": self.n_retries,
            "progress_done": done,
            "progress_total": total,
            "progress_note": note[:300],
            "attempt_rows": orjson.dumps([_aged(row) for row in self.attempts]).decode()
            if self.attempts
            else "[]",
            "log_rows": self._log_rows() if self.logs else "[]",
        }

    def _log_rows(self) -> str:
        now = now_seconds()
        rows = [
            {"n": n, "level": level, "message": message, "ago_seconds": now - at}
            for n, (at, level, message) in enumerate(self.logs, 1)
        ]
        return orjson.dumps(rows).decode()

    def clear(self) -> None:
        self.logs, self.attempts, self.progress, self.n_retries = [], [], None, 0


def _aged(row: dict[str, Any]) -> dict[str, Any]:
    now = now_seconds()
    return {
        **{key: value for key, value in row.items() if key not in ("began", "ended")},
        "message": str(row["message"])[:MESSAGE_MAX_CHARS],
        "began_seconds": now - row["began"],
        "ended_seconds": now - row["ended"],
    }
