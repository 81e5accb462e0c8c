"""Take a source that is due, read it, and make an event of each thing found, once.

Events are stored first and the position after them. A reader that dies in between leaves a position that is too low:
what the next one reads again is known by (source, delivery id).
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import orjson
import psycopg
from django.db import Error

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import IdempotencyConflictError, InvalidInputError
from agentops.common.ids import new_id
from agentops.common.types import JsonValue
from runs.engine.sources import SourceKind, key_at
from runs.journal.fence import execute
from runs.models import Event, Source
from runs.services.create_source import secret_of
from runs.services.publish_event import publish_event
from runs.sources.ended_runs import read_ended_runs
from runs.sources.folder import read_folder
from runs.sources.mailbox import read_mailbox
from runs.sources.port import Found, Place, Reader, SourceError
from runs.sources.redis_stream import read_redis_stream
from runs.sources.sql_table import read_sql_table

LEASE_SECONDS = 120.0
LOOK_SECONDS = 30.0
MAX_BACK_OFF_SECONDS = 600.0
MAX_NAME = 200

logger = logging.getLogger(__name__)

READERS: Mapping[SourceKind, Reader] = {
    SourceKind.REDIS: read_redis_stream,
    SourceKind.FOLDER: read_folder,
    SourceKind.SQL: read_sql_table,
    SourceKind.IMAP: read_mailbox,
    SourceKind.RUNS: read_ended_runs,
}

_TAKE = """
UPDATE runs_source SET taken_by = %(reader)s, taken_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = (SELECT id FROM runs_source WHERE NOT is_paused AND look_at <= clock_timestamp()
            AND (taken_until IS NULL OR taken_until < clock_timestamp())
            ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_STORE = """
UPDATE runs_source SET position = %(position)s::jsonb, n_events = n_events + %(n_new)s, n_refused = n_refused + %(n_refused)s,
    last_event_at = CASE WHEN %(n_new)s > 0 THEN clock_timestamp() ELSE last_event_at END,
    taken_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(id)s AND taken_by = %(reader)s AND version = %(version)s RETURNING id
"""
_RELEASE = """
UPDATE runs_source SET taken_by = NULL, taken_until = NULL, last_error = %(error)s::varchar,
    last_error_at = CASE WHEN %(error)s::varchar <> '' THEN coalesce(last_error_at, clock_timestamp()) END,
    look_at = CASE WHEN version <> %(version)s THEN look_at ELSE clock_timestamp() + CASE
        WHEN %(error)s::varchar = '' THEN make_interval(secs => %(pause_seconds)s)
        ELSE least(make_interval(secs => %(longest_seconds)s), greatest(make_interval(secs => %(pause_seconds)s),
            clock_timestamp() - coalesce(last_error_at, clock_timestamp()))) END END
WHERE id = %(id)s AND taken_by = %(reader)s RETURNING id
"""
_GIVE_BACK = "UPDATE runs_source SET taken_by = NULL, taken_until = NULL WHERE id = %(id)s AND taken_by = %(reader)s RETURNING id"


class _TakenOver(Exception):  # noqa: N818 -- no error: whoever has the source now goes on
    """The source was changed, deleted or paused meanwhile, or is read by another process."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a source that is this reader's until the lease is over."""

    source: Source
    reader: UUID


def take_source() -> Look | None:
    """Return a look at the source that has been due longest; None when none is.

    Transaction: none open; one statement.
    """
    reader = new_id()
    row = execute(_TAKE, {"reader": reader, "lease_seconds": LEASE_SECONDS})
    source = Source.objects.filter(pk=row[0]).first() if row else None
    return Look(source, reader) if source else None


def read_source(look: Look) -> int:
    """Make events of what the source has, and say when it is due again; return how many events were new.

    A place that cannot be read is looked at again after as long as it has been failing, between its own pace and
    MAX_BACK_OFF_SECONDS. What does not fit into an event is one called `<source>.refused` that says why.

    Transaction: none open; each event and each position are ones of their own.
    """
    n_new, error, is_over = 0, "", False
    try:
        n_new, is_over = _read(look)
    except _TakenOver:
        execute(_GIVE_BACK, {"id": look.source.pk, "reader": look.reader})
        return 0
    except SourceError as problem:
        error = str(problem)
    except ValueError as problem:
        error = f"its secret or what was read does not fit: {problem}"
    except (Error, psycopg.Error):  # ours, not the source's: the lease ends by itself
        raise
    except Exception as problem:
        logger.exception("source %s: a look broke off", look.source.slug)
        error = f"{type(problem).__name__}: {problem}"
    every_seconds = float(look.source.settings["every_seconds"])
    told = {
        "id": look.source.pk, "reader": look.reader, "version": look.source.version, "error": str(clean_json(error))[:500],
        "pause_seconds": every_seconds if is_over or error else 0.0, "longest_seconds": max(MAX_BACK_OFF_SECONDS, every_seconds),
    }  # fmt: skip
    execute(_RELEASE, told)
    return n_new


def _read(look: Look) -> tuple[int, bool]:
    """Return how many events were new, and whether all was read."""
    place = _place(look.source)
    until = monotonic() + LOOK_SECONDS
    n_new, position = 0, place.position
    with closing(READERS[SourceKind(look.source.kind)](place)) as batches:
        for batch in batches:
            n_came, n_refused = _publish(look.source, place, batch.found)
            if n_came or n_refused or batch.position != position:
                _store(look, batch.position, n_came, n_refused)
            position = batch.position
            n_new += n_came
            if monotonic() > until:
                return n_new, False
    return n_new, True


def _place(source: Source) -> Place:
    """Raises: ValueError when the secret does not open under this server's key."""
    label = SourceKind(source.kind).label(source.slug)

    def unknown(delivery_ids: Sequence[str]) -> set[str]:
        known = Event.objects.filter(team_id=source.team_id, source=label, delivery_id__in=delivery_ids)
        return set(delivery_ids) - set(known.values_list("delivery_id", flat=True))

    secret = secret_of(source).decode() if source.secret else ""
    return Place(source.team_id, label, source.settings, secret, source.position, unknown)


def _publish(source: Source, place: Place, found: Sequence[Found]) -> tuple[int, int]:
    """Return how many events were new, and how many of those tell of something refused."""
    new = place.unknown([one.delivery_id for one in found]) if found else set()
    n_new = n_refused = 0
    for one in found:
        if one.delivery_id not in new:
            continue
        try:
            n_new += _told(source, place.label, one)
        except IdempotencyConflictError:  # it became known meanwhile, and is told otherwise now
            continue
        except InvalidInputError as error:
            refused = Found(
                one.delivery_id, "refused", {"delivery_id": one.delivery_id, "problem": error.detail}
            )
            n_new += _told(source, place.label, refused)
            n_refused += 1
    return n_new, n_refused


def _told(source: Source, label: str, found: Found) -> bool:
    _, _, is_new = publish_event(
        actor=Actor(source.team_id, None, f"source {source.slug}", frozenset({Scope.RUN})),
        name=f"{source.slug}.{found.name}"[:MAX_NAME],
        key=found.key or key_at(found.payload, str(source.settings.get("key_pointer", ""))),
        payload=found.payload, delivery_id=found.delivery_id, source=label,
    )  # fmt: skip
    return is_new


def _store(look: Look, position: JsonValue, n_new: int, n_refused: int) -> None:
    told = {
        "id": look.source.pk, "reader": look.reader, "version": look.source.version, "lease_seconds": LEASE_SECONDS,
        "position": orjson.dumps(position).decode(), "n_new": n_new, "n_refused": n_refused,
    }  # fmt: skip
    if execute(_STORE, told) is None:
        raise _TakenOver
