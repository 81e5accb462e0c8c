"""Close the episodes that are over: the run has moved on, was resumed or rewound, or has ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.audit.models import Entry
from runs.engine.sights import Finding
from runs.journal.fence import query
from runs.services.watch_sights import Watched

PAUSES = ("pause", "pause_agent")

_CLOSE = """
UPDATE runs_stuckstate s SET to_at = greatest(s.from_at, coalesce(g.ended_at, clock_timestamp())), resolution = g.resolution,
    resolved_by = g.resolved_by, upto_seq = greatest(s.upto_seq, g.upto_seq)
FROM jsonb_to_recordset(%(rows)s::jsonb) AS g(id uuid, ended_at timestamptz, resolution text, resolved_by text, upto_seq bigint)
WHERE s.id = g.id AND s.to_at IS NULL
RETURNING s.id
"""


@dataclass(frozen=True, slots=True)
class Episode:
    """An open episode; `stuck_seconds` is how long ago it was found, `taken` the remedies so far."""

    id: UUID
    run_id: UUID
    reason: str
    branch: int
    stuck_seconds: float
    taken: list[dict[str, Any]]
    text: str
    is_ignored: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an episode ended, and by whom; `by` is empty when it ended by itself."""

    resolution: str
    by: str = ""


def was_paused(episodes: Sequence[Episode]) -> bool:
    """Return whether the run was paused in one of its open episodes, by the watch or by somebody else."""
    return any(taken["do"] == "pause" and not taken.get("note") for it in episodes for taken in it.taken)


def ending_of(
    it: Watched, episode: Episode, found: Mapping[str, Finding], *, is_after_pause: bool
) -> Ending | None:
    """Return how the episode has ended; None while it goes on.

    Whoever lets a paused run go on has seen what was wrong: all its episodes are over then (`is_after_pause`).
    """
    if it.ended_at is not None:
        return Ending(it.sight.status, it.ended_by)
    if it.branch != episode.branch:
        return Ending("rewound", _who(it, "run.rewind"))
    if it.sight.status == "paused" or it.control == "pause":
        return None
    if is_after_pause:
        return Ending("resumed", _who(it, "run.resume"))
    if episode.reason in found:
        return None
    return Ending("wanted" if episode.reason == "forgotten" else "moved_on")


def close_episodes(over: Sequence[tuple[Watched, Episode, Ending]]) -> None:
    """Close the episodes, each once; what was judged so far counts no more. Transaction: one statement."""
    rows = [
        {
            "id": str(episode.id), "ended_at": it.ended_at.isoformat() if it.ended_at else None,
            "resolution": ending.resolution, "resolved_by": ending.by[:200], "upto_seq": it.last_seq,
        }
        for it, episode, ending in over
    ]  # fmt: skip
    if rows:
        query(_CLOSE, {"rows": json.dumps(rows)})


def _who(it: Watched, action: str) -> str:
    """Return who did it last, as the audit tells; empty when nobody did."""
    entries = Entry.objects.filter(chain_id=it.team_id, subject_id=str(it.id), action=action)
    return entries.order_by("-id").values_list("actor", flat=True).first() or ""
