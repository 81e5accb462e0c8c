"""Tell of runs that have ended, got stuck, or reached a budget: found by looking, where somebody wants to know.

No statement of the kernel knows of notices. A run's end is told once (its key has the instant), a flag once a day.
Source: ADR 0009, which says why ends are found and not written down by whoever ends a run.
"""

from uuid import UUID

from agentops.accounts.models import Membership
from agentops.common.transactions import transaction
from agentops.notify.models import Endpoint, Preference
from agentops.notify.services.notify import Message, channels_of, notify
from agentops.notify.topics import DEFAULTS, Topic
from runs.journal.fence import execute, query

LOOK_BACK_SECONDS = 300
BATCH = 200

# Every look begins some minutes before the last one ended: an end may be committed after later ones were found.
_MARK = """
INSERT INTO notify_mark (name, looked_at) VALUES ('ends', clock_timestamp())
ON CONFLICT (name) DO UPDATE SET looked_at = excluded.looked_at RETURNING name
"""
_ENDED = """
SELECT r.id, r.team_id, r.title, r.status, r.ended_at::text, r.error->>'message' FROM runs_run r
WHERE r.team_id = ANY(%(teams)s) AND r.ended_at > (SELECT looked_at - make_interval(secs => %(seconds)s) FROM notify_mark WHERE name = 'ends')
    AND r.parent_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM notify_notice n WHERE n.team_id = r.team_id AND n.key = 'ended:' || r.id || ':' || r.ended_at::text)
ORDER BY r.ended_at LIMIT %(limit)s
"""
_FLAGGED = """
SELECT r.id, r.team_id, r.title, f.flag, to_char(clock_timestamp(), 'YYYY-MM-DD') FROM runs_run r
    CROSS JOIN LATERAL unnest(r.health) AS f(flag)
WHERE r.health <> '{}' AND r.health && %(flags)s::varchar[] AND f.flag = ANY(%(flags)s) AND r.team_id = ANY(%(teams)s)
    AND NOT EXISTS (SELECT 1 FROM notify_notice n WHERE n.team_id = r.team_id
        AND n.key = 'flag:' || r.id || ':' || f.flag || ':' || to_char(clock_timestamp(), 'YYYY-MM-DD'))
LIMIT %(limit)s
"""
# Runs that are stuck for one and the same reason are one notice a day; about a forgotten one its people are asked by itself.
_STUCK = """
SELECT s.team_id, s.fingerprint, s.reason, max(s.node), max(s.text), array_agg(s.id), min(s.run_id::text), min(r.title), s.alone,
    to_char(clock_timestamp(), 'YYYY-MM-DD')
FROM (SELECT *, CASE WHEN reason = 'forgotten' THEN run_id END AS alone FROM runs_stuckstate
    WHERE tell_at IS NOT NULL AND told_at IS NULL ORDER BY tell_at LIMIT %(limit)s) s JOIN runs_run r ON r.id = s.run_id
GROUP BY s.team_id, s.fingerprint, s.reason, s.alone
"""
_TOLD = "UPDATE runs_stuckstate SET told_at = clock_timestamp() WHERE id = ANY(%(ids)s) AND told_at IS NULL RETURNING id"
FLAGS: dict[Topic, tuple[str, ...]] = {
    Topic.STUCK: ("integrity_failed",),
    Topic.BUDGET: ("over_budget", "burning"),
}


def find_causes() -> int:
    """Put notices on their way for what has happened since the last look; returns how many."""
    n_told = _tell_ends() + _tell_stuck()
    for topic, flags in FLAGS.items():
        n_told += _tell_flags(topic, flags)
    return n_told


def teams_that_want(topic: Topic) -> list[UUID]:
    """Return the teams in which somebody, or an endpoint, is told of the topic."""
    found = set(
        Endpoint.objects.filter(is_on=True, topics__contains=[topic.value]).values_list("team_id", flat=True)
    )
    if DEFAULTS[topic]:
        return sorted(found | set(Membership.objects.values_list("team_id", flat=True)))
    chosen = Preference.objects.filter(channels__has_key=topic.value)
    return sorted(found | {one.team_id for one in chosen if channels_of(one, topic)})


def _tell_ends() -> int:
    teams = teams_that_want(Topic.RUN_ENDED)
    rows = query(_ENDED, {"teams": teams, "seconds": LOOK_BACK_SECONDS, "limit": BATCH}) if teams else []
    for run_id, team_id, title, status, ended_at, error in rows:
        told = f"{title or 'A run'} {_WORDS.get(status, status)}"
        message = Message(Topic.RUN_ENDED, f"ended:{run_id}:{ended_at}", told, error or "", f"/runs/{run_id}")
        with transaction():
            notify(team_id=team_id, message=message)
    if len(rows) < BATCH:
        execute(_MARK, {})
    return len(rows)


def _tell_stuck() -> int:
    rows = query(_STUCK, {"limit": BATCH})
    teams = teams_that_want(Topic.STUCK) if rows else []
    for team_id, fingerprint, reason, node, text, ids, run_id, title, alone, day in rows:
        where = f" at {node}" if node else ""
        if alone:
            key, told, path = f"stuck:{alone}:{day}", f"{title or 'A run'} is {reason}", f"/runs/{run_id}"
        else:
            n, path = len(ids), f"/stuck/{fingerprint}"
            who = (title or "A run") + " is" if n == 1 else f"{n} runs are"
            key, told = f"stuck:{fingerprint}:{day}", f"{who} {reason.replace('_', ' ')}{where}"
        with transaction():
            execute(_TOLD, {"ids": ids})
            if team_id in teams:
                notify(team_id=team_id, message=Message(Topic.STUCK, key, told, text, path))
    return len(rows)


def _tell_flags(topic: Topic, flags: tuple[str, ...]) -> int:
    teams = teams_that_want(topic)
    rows = query(_FLAGGED, {"teams": teams, "flags": list(flags), "limit": BATCH}) if teams else []
    for run_id, team_id, title, flag, day in rows:
        words = flag.replace("_", " ")
        message = Message(
            topic, f"flag:{run_id}:{flag}:{day}", f"{title or 'A run'} is {words}", "", f"/runs/{run_id}"
        )
        with transaction():
            notify(team_id=team_id, message=message)
    return len(rows)


_WORDS = {
    "succeeded": "has succeeded",
    "failed": "has failed",
    "cancelled": "was cancelled",
    "expired": "has expired",
}
