"""The watch: a clock's look at the open runs. It opens an episode for each that is stuck, acts, and closes it when it is over.

Nothing is remembered that matters: an episode is a row, inserted under a condition, and a remedy is taken by whoever
moves that row. Source: DESIGN §4; ADR 0026.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agentops.common.types import JsonObject
from runs.engine.detectors import findings
from runs.engine.errors import EngineError
from runs.engine.fingerprints import fingerprint
from runs.engine.sights import Finding
from runs.engine.watch_rules import DEFAULTS, REASONS, Rule, WatchError, rules_from
from runs.journal.fence import query
from runs.models import Agent
from runs.services.settle_stuck import Episode, close_episodes, ending_of, was_paused
from runs.services.take_remedy import take_remedies
from runs.services.versions import program_of
from runs.services.watch_places import Rounds
from runs.services.watch_sights import Memory, Watched, watched

EVERY_TICKS = 8
# What is usual for an agent is worked out anew after so many looks.
LOOKS_A_MEMORY = 300
# What can still be told of a run that has ended.
AFTERWARDS = ("looping", "stuck")

logger = logging.getLogger(__name__)

# An episode and what it is counted under are one statement; a kind that was resolved is open again.
_OPEN = """
WITH given AS (SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS g(id uuid, team_id uuid, run_id uuid, agent_id uuid,
        reason text, node text, error text, text text, fingerprint text, from_at timestamptz, from_seq bigint, upto_seq bigint,
        branch int)),
    made AS (INSERT INTO runs_stuckstate (id, team_id, run_id, agent_id, reason, node, error, text, fingerprint, from_at,
            from_seq, upto_seq, branch)
        SELECT g.* FROM (SELECT gen_random_uuid() AS id, team_id, run_id, agent_id, reason, node, error, text, fingerprint,
            from_at, from_seq, upto_seq, branch FROM given) g
        ON CONFLICT DO NOTHING RETURNING *),
    kind AS (INSERT INTO runs_stuckkind AS k (team_id, fingerprint, reason, node, error, n_episodes, first_at, last_at)
        SELECT team_id, fingerprint, min(reason), min(node), min(error), count(*), min(from_at), max(from_at) FROM made
        GROUP BY team_id, fingerprint ORDER BY team_id, fingerprint
        ON CONFLICT (team_id, fingerprint) DO UPDATE SET n_episodes = k.n_episodes + excluded.n_episodes,
            last_at = greatest(k.last_at, excluded.last_at), first_at = least(k.first_at, excluded.first_at),
            state = CASE WHEN k.state = 'resolved' THEN 'open' ELSE k.state END)
SELECT id FROM made
"""
_EPISODES = """
SELECT s.id, s.run_id, s.reason, s.branch, extract(epoch FROM clock_timestamp() - s.opened_at)::float8, s.taken::text, s.text,
    coalesce(k.state, 'open') = 'ignored', s.fingerprint
FROM runs_stuckstate s LEFT JOIN runs_stuckkind k ON k.team_id = s.team_id AND k.fingerprint = s.fingerprint
WHERE s.run_id = ANY(%(ids)s) AND s.to_at IS NULL ORDER BY s.id
"""
# The flags of a run are the reasons of its open episodes, beside what others have put there.
_FLAG = """
UPDATE runs_run r SET health = ARRAY(SELECT h FROM unnest(r.health) h WHERE h <> ALL(%(reasons)s::varchar[]))
    || ARRAY(SELECT s.reason FROM runs_stuckstate s WHERE s.run_id = r.id AND s.to_at IS NULL ORDER BY s.reason)
WHERE r.id = ANY(ARRAY(SELECT id FROM runs_run WHERE id = ANY(%(ids)s) AND ended_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED))
RETURNING r.id
"""


@dataclass(slots=True)
class Watch:
    """What one clock knows from its looks before; all of it may be lost."""

    rounds: Rounds = field(default_factory=Rounds)
    memory: Memory = field(default_factory=Memory)
    n_looks: int = 0

    def look(self) -> int:
        """Look at the next runs; returns at how many.

        Transaction: none open; each statement and each remedy is one of its own.
        """
        if self.n_looks % LOOKS_A_MEMORY == 0:
            self.memory.usual.clear()
        self.n_looks += 1
        ids = self.rounds.next_ids()
        return look_at(ids, self.memory) if ids else 0


_watch = Watch()


def watch_runs() -> int:
    """Look at the next runs of this clock's round; returns at how many."""
    return _watch.look()


def look_at(ids: Sequence[UUID], memory: Memory | None = None) -> int:
    """Judge these runs: open and close their episodes, and take the remedies that are due; returns how many there were."""
    found = watched(ids, memory or Memory())
    rules = _rules(found)
    told = {it.id: _findings(it, rules[it.agent_id]) for it in found}
    _open(found, told, _episodes(ids))
    episodes = _episodes(ids)
    over = [
        (it, episode, ending)
        for it in found
        for episode in episodes.get(it.id, ())
        if (ending := ending_of(it, episode, told[it.id], is_after_pause=was_paused(episodes[it.id])))
    ]
    close_episodes(over)
    closed = {episode.id for _, episode, _ in over}
    _flag(found, episodes, closed)
    for it in found:
        going_on = [episode for episode in episodes.get(it.id, ()) if episode.id not in closed]
        take_remedies(it, going_on, rules[it.agent_id])
    return len(found)


def _findings(it: Watched, rules: Mapping[str, Rule]) -> dict[str, Finding]:
    found = {finding.reason: finding for finding in findings(it.sight, rules)}
    return {reason: found[reason] for reason in found if it.ended_at is None or reason in AFTERWARDS}


def _rules(seen: Iterable[Watched]) -> dict[UUID, Mapping[str, Rule]]:
    """Return each agent's rules: what an admin has set over what its code says, over the defaults."""
    versions = {it.agent_id: it.version_id for it in seen}
    found: dict[UUID, Mapping[str, Rule]] = {}
    for agent_id, watch in Agent.objects.filter(id__in=versions).values_list("id", "watch"):
        try:
            found[agent_id] = rules_from({**declared_rules(versions[agent_id]), **watch})
        except WatchError:
            logger.warning("agent %s: its rules for the watch cannot be read; the defaults hold", agent_id)
            found[agent_id] = DEFAULTS
    return found


def declared_rules(version_id: UUID) -> JsonObject:
    """Return what the code of the version says; `{}` where it is not installed here."""
    try:
        return program_of(version_id)[1].watch
    except EngineError:
        return {}


def _episodes(ids: Sequence[UUID]) -> dict[UUID, list[Episode]]:
    found: dict[UUID, list[Episode]] = {}
    for row in query(_EPISODES, {"ids": list(ids)}):
        episode = Episode(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6], row[7], row[8])
        found.setdefault(episode.run_id, []).append(episode)
    return found


def _open(
    found: Sequence[Watched], told: Mapping[UUID, Mapping[str, Finding]], episodes: Mapping[UUID, list[Episode]]
) -> None:  # fmt: skip
    """Open an episode for each finding that has none; where another clock does the same, one of them wins."""
    rows = []
    for it in found:
        known = {episode.reason for episode in episodes.get(it.id, ())}
        rows += [_row(it, finding) for reason, finding in told[it.id].items() if reason not in known]
    add_episodes(rows)


def add_episodes(rows: Sequence[dict[str, Any]]) -> None:
    """Insert open episodes, each unless its run has one for the reason, and count them under their kinds.

    Transaction: one statement.
    """
    if rows:
        query(_OPEN, {"rows": json.dumps(rows)})


def _row(it: Watched, finding: Finding) -> dict[str, Any]:
    print_ = fingerprint(reason=finding.reason, name=finding.name, error=finding.error)
    return {
        "team_id": str(it.team_id), "run_id": str(it.id), "agent_id": str(it.agent_id), "reason": finding.reason,
        "node": finding.name[:200], "error": finding.error[:200], "text": finding.text[:500], "fingerprint": print_,
        "from_at": finding.since.isoformat(), "from_seq": finding.from_seq, "upto_seq": it.last_seq, "branch": it.branch,
    }  # fmt: skip


def _flag(found: Sequence[Watched], episodes: Mapping[UUID, list[Episode]], closed: set[UUID]) -> None:
    wrong = []
    for it in found:
        reasons = {episode.reason for episode in episodes.get(it.id, ()) if episode.id not in closed}
        if it.ended_at is None and reasons != set(it.health) & set(REASONS):
            wrong.append(it.id)
    if wrong:
        query(_FLAG, {"ids": wrong, "reasons": list(REASONS)})
