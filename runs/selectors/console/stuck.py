"""Reads about stuck runs: what they have in common, when it began, who is held up, and how it ended before.

Each read goes along an index of the episodes and looks at a bounded number of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadQueryError, NotFoundError
from agentops.common.query import And, Term, parse
from runs.engine.watch_rules import REASONS
from runs.models import Run, StuckKind, StuckState
from runs.search.compiler import compiled_inside, with_suggestion
from runs.search.sql import Condition
from runs.selectors.paging import Page, decode_cursor, instant, page_of
from runs.selectors.run_query import asker_of

KINDS_A_PAGE = 30
COUNT_CAP = 99
BARS = 30
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VIEWS = ("open", "past", "resolved", "ignored", "any")
NEWEST_EPISODES = 1000
COUNTED_RUNS = 10_000
LAST_ID = UUID(int=(1 << 128) - 1)

_HELD = "o.n IS NOT NULL"
_VIEW = {
    "open": f"k.state = 'open' AND {_HELD}", "past": f"k.state = 'open' AND NOT {_HELD}", "resolved": "k.state = 'resolved'",
    "ignored": "k.state = 'ignored'", "any": "true",
}  # fmt: skip
_OPEN = """
    SELECT fingerprint, count(*) AS n FROM runs_stuckstate WHERE team_id = %s AND to_at IS NULL GROUP BY fingerprint
"""
_KINDS = """
    SELECT k.fingerprint, coalesce(o.n, 0) FROM runs_stuckkind k LEFT JOIN ({open}) o ON o.fingerprint = k.fingerprint
    WHERE k.team_id = %s AND {view} AND {meant} AND (k.last_at, k.fingerprint) < (%s, %s)
    ORDER BY k.last_at DESC, k.fingerprint DESC LIMIT %s
"""
_MEANT = """
    EXISTS (SELECT 1 FROM runs_stuckstate s WHERE s.team_id = k.team_id AND s.fingerprint = k.fingerprint AND ({condition}))
"""
_EPISODES = """
    SELECT s.id, s.from_at FROM runs_stuckstate s WHERE s.team_id = %s AND s.fingerprint = %s AND ({condition})
        AND (s.from_at, s.id) < (%s, %s) ORDER BY s.from_at DESC, s.id DESC LIMIT %s
"""
_BUCKETS = """
    SELECT fingerprint, width_bucket(from_at, %(bounds)s::timestamptz[]), count(*) FROM runs_stuckstate
    WHERE team_id = %(team_id)s AND fingerprint = ANY(%(prints)s) AND from_at >= %(since)s GROUP BY 1, 2
"""
_ENDED = """
    SELECT resolution, resolved_by, count(*), max(to_at),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM to_at - from_at))::float8
    FROM (SELECT resolution, resolved_by, from_at, to_at FROM runs_stuckstate WHERE team_id = %s AND fingerprint = %s
        AND to_at IS NOT NULL ORDER BY from_at DESC, id DESC LIMIT %s) AS w
    GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC LIMIT 10
"""
_COUNT = f"""
    SELECT count(*) FROM ({_OPEN} LIMIT %s) AS o JOIN runs_stuckkind k
        ON k.team_id = %s AND k.fingerprint = o.fingerprint AND k.state = 'open'
"""  # noqa: S608 -- put together from constants
_STUCK_RUNS = """
    SELECT count(*) FROM (SELECT DISTINCT run_id FROM runs_stuckstate WHERE team_id = %s AND to_at IS NULL LIMIT %s) AS stuck
"""
_NOW = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of trouble: `n_open` episodes go on, `onset` counts how many began in each of BARS days."""

    kind: StuckKind
    n_open: int
    onset: list[int]


@dataclass(frozen=True, slots=True)
class Onset:
    """When episodes of one kind began: counts of BARS stretches of `step`, the last of which ends at `until`."""

    counts: list[int]
    until: datetime
    step: timedelta


@dataclass(frozen=True, slots=True)
class Ended:
    """How some of the newest episodes ended: by `by`, nobody when empty; `median_seconds` is how long they took."""

    resolution: str
    by: str
    n: int
    last_at: datetime
    median_seconds: float


def kinds_for(
    actor: Actor, *, view: str = "open", text: str = "", cursor: str = "", limit: int = KINDS_A_PAGE
) -> Page[Kind]:
    """Return a page of kinds, the one with the newest episode first.

    `view` is one of VIEWS; `text` is what stands in the brackets of stuck(…), and asks for kinds with such an episode.

    Raises: BadQueryError, NotAllowedError.
    """
    actor.require(Scope.READ)
    before: list[Any] = decode_cursor(cursor, instant, str) if cursor else ["infinity", ""]
    meant = episode_condition(actor, text)
    asked = _MEANT.format(condition=meant.text) if text else "true"
    params = [actor.team_id, actor.team_id, *(meant.params if text else ()), *before, limit + 1]
    found = _rows(_KINDS.format(open=_OPEN, view=_VIEW[view], meant=asked), params)
    kinds = StuckKind.objects.filter(team_id=actor.team_id, fingerprint__in=[row[0] for row in found])
    by_print = {kind.fingerprint: kind for kind in kinds}
    onsets, _until = _onsets(actor, list(by_print), DAY)
    items = [Kind(by_print[one], n_open, onsets[one]) for one, n_open in found if one in by_print]
    return page_of(items, limit, lambda it: (it.kind.last_at.isoformat(), it.kind.fingerprint))


def kind_for(actor: Actor, fingerprint: str) -> StuckKind:
    """Return what is known of a fingerprint. Raises: NotFoundError, also for one of another team; NotAllowedError."""
    actor.require(Scope.READ)
    kind = StuckKind.objects.filter(team_id=actor.team_id, fingerprint=fingerprint).first()
    if kind is None:
        raise NotFoundError(f"no run was ever stuck with the fingerprint {fingerprint!r}")
    return kind


def onset_for(actor: Actor, kind: StuckKind) -> Onset:
    """Return when the episodes began: by the hour when the first one began within a day or so, else by the day."""
    step = HOUR if kind.first_at > _rows(_NOW, [])[0][0] - BARS * HOUR else DAY
    onsets, until = _onsets(actor, [kind.fingerprint], step)
    return Onset(onsets[kind.fingerprint], until, step)


def onset_since(found: Onset) -> datetime:
    """Return when the first of its stretches begins."""
    return found.until - found.step * len(found.counts)


def episodes_for(
    actor: Actor, fingerprint: str, *, text: str = "", cursor: str = "", limit: int
) -> Page[StuckState]:
    """Return a page of the kind's episodes, the newest first, with their runs and agents. Raises: BadQueryError."""
    actor.require(Scope.READ)
    before: list[Any] = decode_cursor(cursor, instant, UUID) if cursor else ["infinity", LAST_ID]
    meant = episode_condition(actor, text)
    params = [actor.team_id, fingerprint, *meant.params, *before, limit + 1]
    page = page_of(
        _rows(_EPISODES.format(condition=meant.text), params), limit, lambda row: (row[1].isoformat(), row[0])
    )
    found = StuckState.objects.filter(id__in=[row[0] for row in page.items]).select_related("run__agent")
    found = found.defer("run__input", "run__output", "run__error", "run__agent__description")
    return Page(list(found.order_by("-from_at", "-id")), page.next_cursor)


def endings_for(actor: Actor, fingerprint: str) -> list[Ended]:
    """Return how the newest episodes of the kind ended, the commonest way first."""
    actor.require(Scope.READ)
    return [Ended(*row) for row in _rows(_ENDED, [actor.team_id, fingerprint, NEWEST_EPISODES])]


def n_held_up(actor: Actor, fingerprint: str) -> int:
    """Return how many runs the kind holds up now."""
    return StuckState.objects.filter(
        team_id=actor.team_id, fingerprint=fingerprint, to_at__isnull=True
    ).count()


def n_stuck_kinds(actor: Actor) -> int:
    """Return how many kinds hold up runs and are not ignored; COUNT_CAP + 1 means that many or more."""
    return int(_rows(_COUNT, [actor.team_id, COUNT_CAP + 1, actor.team_id])[0][0])


def n_stuck_runs(actor: Actor) -> int:
    """Return how many runs are stuck now; COUNTED_RUNS means that many or more."""
    return int(_rows(_STUCK_RUNS, [actor.team_id, COUNTED_RUNS])[0][0])


def note_episodes(actor: Actor, run: Run) -> None:
    """Put on the run its open episodes, the oldest first; without a flag nothing is read."""
    if set(run.health) & set(REASONS):
        found = StuckState.objects.filter(team_id=actor.team_id, run=run, to_at__isnull=True)
        run.__dict__["episodes"] = list(found.order_by("from_at"))


def noted_episodes(run: Run) -> list[StuckState]:
    """Return what note_episodes found for the run."""
    found: list[StuckState] = run.__dict__.get("episodes", [])
    return found


def episode_condition(actor: Actor, text: str) -> Condition:
    """Return what the words inside stuck(…) ask of an episode `s`. Raises: BadQueryError with the place."""
    term: Term = parse(text) if text else And()
    try:
        return compiled_inside("stuck", term, asker_of(actor))
    except BadQueryError as error:
        raise with_suggestion(error, text) from None


def _onsets(actor: Actor, prints: Sequence[str], step: timedelta) -> tuple[dict[str, list[int]], datetime]:
    """Return for each fingerprint how many episodes began in each stretch, and the end of the last one."""
    now: datetime = _rows(_NOW, [])[0][0]
    floor = now.replace(minute=0, second=0, microsecond=0)
    until = (floor.replace(hour=0) if step == DAY else floor) + step
    bounds = [until - step * n for n in range(BARS, 0, -1)]
    counts = {one: [0] * BARS for one in prints}
    params = {"team_id": actor.team_id, "prints": list(prints), "since": bounds[0], "bounds": bounds}
    for one, bucket, n in _rows(_BUCKETS, params):
        counts[one][bucket - 1] = n
    return counts, until


def _rows(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
