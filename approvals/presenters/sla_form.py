"""Policies of escalation and calendars as a form holds them: lengths such as `1h 30m`, levels a line each."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import InvalidInputError
from approvals.engine.sla import End
from approvals.models import BusinessCalendar, EscalationPolicy
from runs.services.checks import misfit

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
ENDS = {
    End.EXPIRE: gettext_lazy("expires: the run is told no"),
    End.CANCEL_RUN: gettext_lazy("its run is cancelled"),
    End.PAGE_ADMINS: gettext_lazy("the admins are told; it stays open"),
}
_LENGTH = re.compile(r"(?:\d+[dhms]\s*)+")
_LEVEL = re.compile(
    r"after (?P<after>[\ddhms ]+?) tell (?P<targets>[^;]+?)(?:; again (?P<repeats>\d+) times every (?P<every>[\ddhms ]+))?"
)
_NEW = {"decision": "8h", "reminders": "50, 75, 90", "levels": "after 4h tell deciders\nafter 6h tell admins", "end_after": "3d"}  # fmt: skip


def length_of(text: str, pointer: str) -> int | None:
    """Return the seconds of `1d 4h`, `90m` or `45s`; None of nothing. Raises: InvalidInputError."""
    if not text.strip():
        return None
    if not _LENGTH.fullmatch(text.strip()) or len(text) > 40:
        raise misfit(pointer, _("is no length of time; write 90m, 8h or 1d 4h"))
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


def told_length(seconds: int | None) -> str:
    """Return the seconds as length_of reads them."""
    parts, left = [], seconds or 0
    for unit, size in UNITS.items():
        n, left = divmod(left, size)
        parts += [f"{n}{unit}"] if n else []
    return " ".join(parts) or ("" if seconds is None else "0s")


def policy_fields(row: EscalationPolicy | None) -> dict[str, Any]:
    """Return what the form of a policy shows."""
    if row is None:
        return {**_NEW, "name": "", "position": "100", "end": End.EXPIRE.value, "is_on": True}
    data = row.data
    return {
        "name": row.name, "position": str(row.position), "is_on": row.is_on, "queues": ", ".join(row.queues),
        "agents": ", ".join(row.agents), "actions": ", ".join(row.actions), "end": data["end"],
        "calendar": str(row.calendar_id or ""), "first_response": told_length(data["first_response_seconds"]),
        "decision": told_length(data["decision_seconds"]), "reminders": ", ".join(map(str, data["reminders"])),
        "levels": "\n".join(map(_level_line, data["levels"])), "end_after": told_length(data["end_seconds"]),
        "version": row.version,
    }  # fmt: skip


def policy_posted(posted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of the policy that was posted. Raises: InvalidInputError with pointers."""
    return {
        "first_response_seconds": length_of(posted.get("first_response", ""), "/first_response"),
        "decision_seconds": length_of(posted.get("decision", ""), "/decision"),
        "reminders": [_number(one, "/reminders") for one in split(posted.get("reminders", ""))],
        "levels": [_level(line) for line in posted.get("levels", "").splitlines() if line.strip()],
        "end_seconds": length_of(posted.get("end_after", ""), "/end_after"),
        "end": posted.get("end", ""),
    }


def calendar_fields(row: BusinessCalendar | None) -> dict[str, Any]:
    """Return what the form of a calendar shows."""
    if row is None:
        return {"name": "", "time_zone": "UTC", "days": ["09:00-17:00"] * 5 + [""] * 2, "holidays": ""}
    return {
        "name": row.name, "time_zone": row.data["time_zone"], "holidays": "\n".join(row.data["holidays"]),
        "days": [", ".join("-".join(pair) for pair in day) for day in row.data["week"]], "version": row.version,
    }  # fmt: skip


def calendar_posted(posted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of the calendar that was posted; the engine says what does not fit."""
    days = [split(posted.get(f"day-{number}", "")) for number in range(7)]
    return {
        "time_zone": posted.get("time_zone", "").strip(),
        "week": [[[part.strip() for part in pair.split("-")] for pair in day] for day in days],
        "holidays": posted.get("holidays", "").split(),
    }


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def pointer_of(error: InvalidInputError) -> str:
    """Return the name of the field that the error is about; empty for none."""
    errors = error.data.get("errors") or [{}]
    return str(errors[0].get("pointer", "")).removeprefix("/")


def _level(line: str) -> dict[str, Any]:
    found = _LEVEL.fullmatch(" ".join(line.split()))
    if found is None:
        told = _("{line} is no level; write: after 2h tell deciders, admins; again 2 times every 1h")
        raise misfit("/levels", told.format(line=line[:60]))
    level: dict[str, Any] = {
        "after_seconds": length_of(found["after"], "/levels"), "targets": split(found["targets"])
    }  # fmt: skip
    if found["repeats"]:
        level |= {
            "repeats": _number(found["repeats"], "/levels"),
            "every_seconds": length_of(found["every"], "/levels"),
        }
    return level


def _level_line(level: Mapping[str, Any]) -> str:
    line = f"after {told_length(level['after_seconds'])} tell {', '.join(level['targets'])}"
    if level["repeats"]:
        line += f"; again {level['repeats']} times every {told_length(level['every_seconds'])}"
    return line


def _number(text: str, pointer: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise misfit(pointer, _("must be whole numbers"))
    return int(text)
