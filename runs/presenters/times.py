"""Durations and ages in words, with the units' international symbols."""

from datetime import datetime

from runs.models import Run


def now_of(run: Run) -> datetime:
    """Return the database's time when the run was read (`now_at` of the selectors)."""
    now: datetime = run.__dict__["now_at"]
    return now


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def duration(seconds: float | None) -> str:
    """Return a length of time as `840 ms`, `4.1 s`, `14 m 02 s`, `2 h 06 m` or `3 d 4 h`; `–` when unknown."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def age(seconds: float | None) -> str:
    """Return a length of time as one number: `12 s`, `52 min`, `3 h`, `4 d`."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{max(0, int(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 36 * 3600 else f"{round(seconds / 86400)} d"
