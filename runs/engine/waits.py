"""What a run may wait for, and what came of it.

Pure: the shell stores the conditions as rows, finds out what happened, and asks `verdict` whether that is enough.
Source: PROTOCOL 16; ADR 0008.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.common.types import JsonObject
from runs.engine.errors import CommandError

MAX_CONDITIONS = 100
MAX_NAME_CHARACTERS = 200
MAX_LOOKBACK_SECONDS = 7 * 86_400
LOOKBACK_SECONDS = 60.0
APPROVAL_SECONDS = 7 * 86_400.0
FIRED = frozenset({"event", "signal", "child", "children", "person"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing to wait for; made by `event`, `signal` or `child`."""

    kind: str
    name: str
    key: str = ""
    match: Mapping[str, Any] | None = None
    child_id: str = ""
    lookback_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what stands in the request of the step; members that say nothing are left out."""
        told = {
            "kind": self.kind, "name": self.name, "key": self.key, "match": None if self.match is None else dict(self.match),
            "child_id": self.child_id, "lookback_seconds": self.lookback_seconds,
        }  # fmt: skip
        return {key: value for key, value in told.items() if value not in ("", None, 0.0)}


def event(
    name: str,
    *,
    key: str = "",
    match: Mapping[str, Any] | None = None,
    lookback_seconds: float = LOOKBACK_SECONDS,
) -> Condition:
    """Wait for an event of this name.

    Args:
        name: as the publisher calls it, such as `invoice.paid`.
        key: what the event must be about; any when empty.
        match: what its payload must contain: the same members with the same values, at any depth.
        lookback_seconds: how old it may be when the wait begins; an event that came just before is not lost.

    Raises: CommandError
    """
    _check_name("event", name)
    if len(key) > MAX_NAME_CHARACTERS:
        raise CommandError(
            f"the key of event {name!r} has {len(key):,} characters; at most {MAX_NAME_CHARACTERS}"
        )
    if not 0 <= lookback_seconds <= MAX_LOOKBACK_SECONDS:
        raise CommandError(
            f"lookback_seconds must be from 0 to {MAX_LOOKBACK_SECONDS:,}, not {lookback_seconds!r}"
        )
    return Condition("event", name, key, match, lookback_seconds=float(lookback_seconds))


def signal(name: str) -> Condition:
    """Wait for a message to this run. Messages are kept from the run's start and taken in order, each once.

    Raises: CommandError
    """
    _check_name("signal", name)
    return Condition("signal", name)


def child(run_id: str | UUID | Mapping[str, Any], *, name: str = "") -> Condition:
    """Wait for the end of another run, named by its id or by what ctx.start_child returned.

    Raises: CommandError when `run_id` is no run's id.
    """
    agent = run_id.get("agent", "") if isinstance(run_id, Mapping) else ""
    return Condition("child", name or agent or "child", child_id=run_id_of(run_id))


def run_id_of(started: Any) -> str:
    """Return the id of a run, given as such or in what ctx.start_child returned.

    Raises: CommandError
    """
    named = started.get("run_id") if isinstance(started, Mapping) else started
    try:
        return str(UUID(str(named)))
    except ValueError:
        raise CommandError(f"{started!r} is not the id of a run, nor what start_child returned") from None


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise CommandError(f"{what}() needs a name of 1 to {MAX_NAME_CHARACTERS} characters, not {name!r}")


@dataclass(frozen=True, slots=True)
class WaitRow:
    """One condition as it stands: open while `closed_as` is empty. `delivered` is what came, as the agent sees it."""

    n: int
    is_all: bool = False
    closed_as: str = ""
    closed_at: str = ""
    closed_by: str = ""
    delivered: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a wait ended: with what `fired`, in the order in which it came, by its timeout, or because a person cancelled it."""

    fired: tuple[WaitRow, ...] = ()
    is_timed_out: bool = False
    cancelled_by: str | None = None

    @property
    def output(self) -> JsonObject:
        """Return the outcome of the step."""
        return {"fired": [row.delivered for row in self.fired], "timed_out": self.is_timed_out}


def verdict(rows: Sequence[WaitRow]) -> Verdict | None:
    """Return how the wait ended, or None while it goes on."""
    cancelled = next((row for row in rows if row.closed_as == "cancelled"), None)
    if cancelled is not None:
        return Verdict(cancelled_by=cancelled.closed_by)
    fired = tuple(
        sorted((row for row in rows if row.closed_as in FIRED), key=lambda row: (row.closed_at, row.n))
    )
    if fired and not rows[0].is_all:
        return Verdict(fired[:1])
    if any(not row.closed_as for row in rows):
        return None
    return Verdict(fired, is_timed_out=len(fired) < len(rows))
