"""What a query finds, at a glance: how many runs have which values, and when they were created.

Both look at a sample: all that the query finds, where that can be had for little, else the newest of it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db import connection

from agentops.accounts.roles import Actor
from agentops.common.query import parse, render
from agentops.common.query.edit import values_of, without_key
from runs.selectors.run_query import RunQuery, run_query
from runs.selectors.runs import COUNT_CAP, run_counts_for
from runs.selectors.walk import Place, Sample, Way, sample

FACETS = ("status", "agent", "health", "tag", "version")
FACET_VALUES = 12
MAX_BUCKETS = 60
BUCKET_ROWS = 300
# Where a condition reads words or other rows than the run's own, which takes a hundred times as long.
SLOW_BUCKET_ROWS = 40
_WIDTHS = (
    1,
    2,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    172800,
    604800,
    2592000,
)

_FACETS = """
    WITH r AS MATERIALIZED (SELECT status, agent_id, agent_version_id, health, tags FROM runs_run WHERE id = ANY(%s))
    SELECT 'status', status, count(*) FROM r GROUP BY 2
    UNION ALL SELECT 'agent', a.slug, count(*) FROM r JOIN runs_agent a ON a.id = r.agent_id GROUP BY 2
    UNION ALL SELECT 'version', v.number::text, count(*) FROM r JOIN runs_agentversion v ON v.id = r.agent_version_id GROUP BY 2
    UNION ALL SELECT 'health', flag, count(*) FROM r, unnest(r.health) AS flag GROUP BY 2
    UNION ALL SELECT 'tag', tag, count(*) FROM r, unnest(r.tags) AS tag GROUP BY 2
"""
_BUCKETS = """
    SELECT b.n, s.status, count(*) FILTER (WHERE s.is_meant), count(*), min(s.created_at)
    FROM generate_series(0, %s) AS b(n) CROSS JOIN LATERAL (
        SELECT r.status, r.created_at, ({condition}) AS is_meant FROM (
            SELECT * FROM runs_run WHERE team_id = %s{arm} AND created_at >= %s + b.n * %s AND created_at < %s + (b.n + 1) * %s
            ORDER BY created_at DESC, id DESC LIMIT %s
        ) AS r
    ) AS s GROUP BY 1, 2
"""
_COUNTED = """
    SELECT least(%s, greatest(0, floor(extract(epoch FROM created_at - %s) / %s)))::int, status, count(*)
    FROM runs_run WHERE team_id = %s AND id = ANY(%s) GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value, and how many runs have it: that many or more when not `is_all`."""

    key: str
    value: str
    count: int
    is_all: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """Runs created from `start` until `end` by status; `is_estimate`: reckoned from the newest of them."""

    start: datetime
    end: datetime
    counts: dict[str, int]
    is_estimate: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Histogram:
    """The buckets, oldest first; `is_cut`: the query finds older runs, too."""

    buckets: list[Bucket]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """`histogram` is None where the query finds no run; `facets` are values by key."""

    histogram: Histogram | None
    facets: dict[str, list[FacetValue]]


def overview_for(actor: Actor, text: str) -> Overview:
    """Return when the runs that the query finds were created, and for each facet the values that most of them have.

    A facet leaves out what the query asks of its own key, so that other values can be chosen, too. Without a time in the
    query the histogram reaches back as far as the newest of the runs that a sample holds.

    Raises: BadQueryError
    """
    query = run_query(actor, text, is_timed=True)
    seen = sample(query.way)
    return Overview(_histogram(actor, query, seen), _facets(actor, text, seen))


def _facets(actor: Actor, text: str, seen: Sample) -> dict[str, list[FacetValue]]:
    term = parse(text)
    bare = {key: render(without_key(term, key)) if values_of(term, key) else text for key in FACETS}
    samples = {
        narrowed: seen if narrowed == text else sample(run_query(actor, narrowed).way)
        for narrowed in {*bare.values()}
    }
    tables = {narrowed: _facet_table(found) for narrowed, found in samples.items()}
    found = {key: _values(key, values_of(term, key), tables[bare[key]]) for key in FACETS}
    return (
        found if bare["status"].strip() else found | {"status": _statuses(actor, values_of(term, "status"))}
    )


def _statuses(actor: Actor, chosen: Sequence[str]) -> list[FacetValue]:
    """Return how many of all the runs are in each status, which an index knows."""
    counts = {str(status): n for status, n in run_counts_for(actor).items() if n or status in chosen}
    ranked = sorted(counts, key=lambda status: (status not in chosen, -counts[status], status))
    return [
        FacetValue("status", name, counts[name], counts[name] < COUNT_CAP, name in chosen) for name in ranked
    ]


def _values(key: str, chosen: Sequence[str], table: tuple[dict[str, Counter[str]], bool]) -> list[FacetValue]:
    counts, is_all = table
    known = counts[key] + Counter()
    ranked = sorted({*known, *chosen}, key=lambda value: (value not in chosen, -known[value], value))
    return [FacetValue(key, value, known[value], is_all, value in chosen) for value in ranked[:FACET_VALUES]]


def _facet_table(seen: Sample) -> tuple[dict[str, Counter[str]], bool]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        cursor.execute(_FACETS, [[run_id for _at, run_id in seen.places]])
        for key, value, count in cursor.fetchall():
            counts[key][value] = count
    return counts, seen.is_all


def _histogram(actor: Actor, query: RunQuery, seen: Sample) -> Histogram | None:
    if not seen.places:
        return None
    times = [at for at, _run_id in seen.places]
    since, until = query.way.hints.since, query.way.hints.until
    end = min(until or query.asker.now, query.asker.now)
    edges = _edges(since or min(times), max(end, *times), query.asker.zone)
    buckets = _exact(actor, seen.places, edges) if seen.is_all else _sampled(query, edges)
    return Histogram(buckets, is_cut=not seen.is_all and since is None)


def _edges(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the ends of at most MAX_BUCKETS buckets of a round width, as clocks in the zone show it."""
    length = (end - start).total_seconds()
    width = next((width for width in _WIDTHS if length / width < MAX_BUCKETS - 1), _WIDTHS[-1])
    shift = start.astimezone(zone).utcoffset() or timedelta()
    first = datetime.fromtimestamp((start + shift).timestamp() // width * width, UTC) - shift
    n_buckets = min(MAX_BUCKETS, int((end - first).total_seconds() // width) + 1)
    return [first + timedelta(seconds=width * n) for n in range(n_buckets + 1)]


def _exact(actor: Actor, places: Sequence[Place], edges: list[datetime]) -> list[Bucket]:
    width, counts = edges[1] - edges[0], [dict[str, int]() for _ in edges[1:]]
    ids = [run_id for _at, run_id in places]
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [len(counts) - 1, edges[0], width.total_seconds(), actor.team_id, ids])
        for n, status, n_runs in cursor.fetchall():
            counts[n][status] = n_runs
    return [Bucket(*ends, count) for ends, count in zip(pairwise(edges), counts, strict=True)]


def _sampled(query: RunQuery, edges: list[datetime]) -> list[Bucket]:
    """Count in each bucket the newest so many runs; where there are more, reckon how many more."""
    way, width, most = query.way, edges[1] - edges[0], _rows_a_bucket(query.way)
    arm, value = way.arms[0] if len(way.arms) == 1 else ("", None)
    bound = [way.team_id, *([] if value is None else [value]), edges[0], width, edges[0], width, most]
    rows: dict[int, list[tuple[str, int, int, datetime]]] = defaultdict(list)
    with connection.cursor() as cursor:
        sql = _BUCKETS.format(condition=way.condition.text, arm=arm)
        cursor.execute(sql, [len(edges) - 2, *way.condition.params, *bound])
        for n, *row in cursor.fetchall():
            rows[n].append((row[0], row[1], row[2], row[3]))
    return [_bucket(*ends, rows[n], most) for n, ends in enumerate(pairwise(edges))]


def _rows_a_bucket(way: Way) -> int:
    return SLOW_BUCKET_ROWS if way.hints.rare or way.condition.is_costly else BUCKET_ROWS


def _bucket(start: datetime, end: datetime, rows: list[tuple[str, int, int, datetime]], most: int) -> Bucket:
    counts = {status: n_meant for status, n_meant, _n_all, _first in rows if n_meant}
    if sum(n_all for _status, _n_meant, n_all, _first in rows) < most:
        return Bucket(start, end, counts)
    looked_at = end - min(first for *_rest, first in rows)
    share = (end - start) / max(looked_at, timedelta(milliseconds=1))
    return Bucket(start, end, {status: round(n * share) for status, n in counts.items()}, is_estimate=True)
