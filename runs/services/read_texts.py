"""Read what runs that have ended held, in the background, so that they are found by it.

Of runs that failed, were ended by somebody or were ever stuck: the words of the last state and of the errors. Of runs
whose agent declares paths: the values there.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from agentops.common.transactions import transaction
from agentops.common.types import JsonValue
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.store import rebuild
from runs.engine.errors import EngineError
from runs.engine.updates import resolve, split
from runs.journal.fence import execute, query
from runs.models import ReadMark, Run, RunValue
from runs.search.texts import spaced
from runs.services.versions import program_of

EVERY_TICKS = 4
BATCH, BATCH_SECONDS = 200, 0.1
# An end is seen when its statement is committed, which is later than the instant it bears.
LATE_SECONDS = 15.0
MAX_CHARACTERS, MAX_WORD = 100_000, 200
MARK = "texts"

_BEGIN = """
INSERT INTO runs_readmark (name, ended_at) VALUES (%(name)s, clock_timestamp() - interval '30 days') ON CONFLICT DO NOTHING
RETURNING name
"""
_ENDED = """
SELECT r.id, r.agent_version_id, r.ended_at, r.status <> 'succeeded'
    OR EXISTS (SELECT 1 FROM runs_stuckstate s WHERE s.run_id = r.id)
FROM runs_run r WHERE r.ended_at > (SELECT m.ended_at FROM runs_readmark m WHERE m.name = %(name)s)
    AND r.ended_at < clock_timestamp() - make_interval(secs => %(late)s)
ORDER BY r.ended_at LIMIT %(limit)s
"""
_MARK = """
UPDATE runs_readmark SET ended_at = coalesce(%(at)s::timestamptz, greatest(ended_at, clock_timestamp() - make_interval(secs => %(late)s))),
    read_at = clock_timestamp() WHERE name = %(name)s RETURNING name
"""
_KEEP = """
INSERT INTO runs_runtext (run_id, team_id, words) VALUES (%(run_id)s, %(team_id)s, to_tsvector('simple', %(text)s))
ON CONFLICT (run_id) DO UPDATE SET words = excluded.words, read_at = clock_timestamp() RETURNING run_id
"""
_SAID = """
SELECT a.error_code || ' ' || left(a.message, 500) FROM (SELECT error_code, message FROM runs_attempt
    WHERE run_id = %(run_id)s ORDER BY seq DESC, number DESC LIMIT 20) AS a
UNION ALL SELECT s.reason || ' ' || s.node || ' ' || s.text FROM runs_stuckstate s WHERE s.run_id = %(run_id)s
"""


class _Ended(NamedTuple):
    run_id: UUID
    version_id: UUID
    ended_at: datetime
    is_read: bool


def read_texts() -> int:
    """Read the next runs that have ended, for a moment; returns how many were read.

    Repeating it changes nothing. Transaction: one a run, and one for the mark, which moves behind them: what a clock that
    dies had read is read once more.
    """
    rows = [_Ended(*row) for row in query(_ENDED, {"name": MARK, "late": LATE_SECONDS, "limit": BATCH})]
    if not rows:
        if execute(_BEGIN, {"name": MARK}) is None:
            execute(_MARK, {"name": MARK, "at": None, "late": LATE_SECONDS})
        return 0
    n_read, began, last = 0, time.monotonic(), rows[0]
    for row in rows:
        if time.monotonic() - began > BATCH_SECONDS:
            break
        n_read += _read(row)
        last = row
    # Of several that ended in one instant, the last may not have been in the batch: begin right before it.
    is_all = last is rows[-1] and len(rows) < BATCH
    at = (
        last.ended_at
        if is_all or rows[0].ended_at == last.ended_at
        else last.ended_at - timedelta(microseconds=1)
    )
    execute(_MARK, {"name": MARK, "at": at.isoformat(), "late": LATE_SECONDS})
    return n_read


def seconds_behind() -> float:
    """Return how far the reader is behind the newest ends; 0 while it keeps up."""
    mark = ReadMark.objects.filter(name=MARK).first()
    if mark is None:
        return 0.0
    behind: float = query(
        "SELECT extract(epoch FROM clock_timestamp() - %(at)s::timestamptz)::float8",
        {"at": mark.ended_at.isoformat()},
    )[0][0]
    return max(0.0, behind - 4 * LATE_SECONDS)


def _read(row: _Ended) -> int:
    paths = _declared(row.version_id)
    if not row.is_read and not paths:
        return 0
    run = Run.objects.filter(pk=row.run_id).first()
    if run is None:
        return 0
    state = _state(run)
    with transaction():
        if row.is_read:
            execute(_KEEP, {"run_id": run.pk, "team_id": run.team_id, "text": _text(run, state)})
        _keep_values(run, state, paths)
    return 1


def _text(run: Run, state: JsonValue) -> str:
    error = run.error or {}
    said = [str(error.get("code", "")), str(error.get("message", "")), run.end_reason]
    said += [row[0] for row in query(_SAID, {"run_id": run.pk})]
    words = spaced(" ".join([*said, *_leaves(state)]))[:MAX_CHARACTERS].split()
    return " ".join(word[:MAX_WORD] for word in words)


def _leaves(value: JsonValue) -> Iterator[str]:
    """Yield the texts and numbers in a value, as far as they are read."""
    left, n = [value], 0
    while left and n < MAX_CHARACTERS:
        match left.pop():
            case dict() as members:
                left += reversed(members.values())
            case list() as items:
                left += reversed(items)
            case str() | int() | float() as leaf if not isinstance(leaf, bool):
                yield str(leaf)
                n += len(str(leaf)) + 1


def _keep_values(run: Run, state: JsonValue, paths: Sequence[str]) -> None:
    rows = [
        RunValue(run_id=run.pk, team_id=run.team_id, path=_dotted(path)[:200], value=str(found)[:200])
        for path in paths
        if isinstance(found := _at(state, path), str | int | float)
    ]
    RunValue.objects.filter(run_id=run.pk).delete()
    RunValue.objects.bulk_create(rows)


def _at(state: JsonValue, path: str) -> Any:
    try:
        return resolve(state, path)
    except KeyError:
        return None


def _dotted(path: str) -> str:
    return ".".join(split(path))


def _declared(version_id: UUID) -> Sequence[str]:
    try:
        return program_of(version_id)[1].searchable
    except EngineError:
        return ()


def _state(run: Run) -> Any:
    """Return the last state; None where its rows fail their check."""
    try:
        return rebuild(run).state
    except IntegrityError:
        return None
