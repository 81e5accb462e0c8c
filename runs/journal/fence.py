"""Fenced statements: one round trip each, retried over lost connections, never ambiguous.

A commit is one statement whose inserts select from the guarded run row. Zero rows mean that the lease is lost.
When the connection breaks, nobody knows whether the statement was committed, or will be: the server may still be
at it. So the server process behind the broken connection is ended first. Then the step row tells: it carries a token
that was minted before the first try, and finding it there says that it was. Source: PROTOCOL 4, 5; ADR 0003.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import django.db
import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import TransactionStatus

from agentops.common.transactions import transaction
from runs.engine.control import LeaseLost
from runs.journal import prepared

T = TypeVar("T")
Row = tuple[Any, ...]

# For what others find and do again if a crash of the server loses it: nobody waits for the disk. What is committed
# because of it stands behind it in the log, and cannot outlive it. Only where `is_alone()`: an outer transaction may
# hold what must not get lost.
UNHURRIED = "CASE WHEN %(is_alone)s THEN set_config('synchronous_commit', 'off', true) END"

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_END_WAIT_MS = 5000
_END_BACKEND = (
    "SELECT pg_terminate_backend(pid, %(wait_ms)s) FROM pg_stat_activity"
    " WHERE pid = %(pid)s AND usename = current_user AND pid <> pg_backend_pid()"
    " AND backend_start < clock_timestamp() - make_interval(secs => %(ago_seconds)s)"  # not a later one of this number
)
# Django wraps what goes wrong while it connects; the rest comes from psycopg as it is.
_TRANSIENT = (
    django.db.OperationalError,
    django.db.InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
_backend = threading.local()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a run's steps: good as long as the run row shows this epoch."""

    run_id: UUID
    team_id: UUID
    epoch: int
    worker_id: UUID


def execute(sql: str, params: Mapping[str, Any]) -> Row | None:
    """Return the first row of a prepared, server-side-bound statement on this thread's connection.

    Django's cursor is bypassed, and psycopg's: they cost more than the rest of a commit (ADR 0003).

    Raises: psycopg.Error as it comes; django.db.OperationalError where no connection can be opened.
    """
    rows = prepared.run(_connected(), sql, params)
    return rows[0] if rows else None


def query(sql: str, params: Mapping[str, Any]) -> list[Row]:
    """Return all rows of a prepared statement; see execute."""
    return prepared.run(_connected(), sql, params)


def is_alone() -> bool:
    """Return whether no transaction of Django's is open here: what is committed next is committed for itself."""
    return _connected().autocommit


@contextmanager
def short_transaction() -> Iterator[None]:
    """Open a transaction of statements by `execute` and `query` alone; inside one of Django's, a savepoint.

    Django's own costs each statement four times the processor (see prepared). What is to happen after the commit stands
    behind the block.
    """
    connection = _connected()
    if not connection.autocommit:
        with transaction():
            yield
        return
    # Prepared as the others are: where somebody deallocated them it is the first to find out, and nothing is lost yet.
    prepared.run(connection, "BEGIN", {})
    try:
        yield
        prepared.run(connection, "COMMIT", {})
    finally:
        if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            prepared.run(connection, "ROLLBACK", {})


def _connected() -> psycopg.Connection[Row]:
    """Return this thread's connection, which is kept from ticket to ticket; opened anew when it broke."""
    own = connections[DEFAULT_DB_ALIAS]
    if own.connection is None or own.connection.closed:
        own.close()
        own.ensure_connection()
    raw: psycopg.Connection[Row] = own.connection
    _backend.pid = raw.pgconn.backend_pid
    return raw


def persist(attempt: Callable[[], T], *, confirm: Callable[[], T | None] | None = None) -> T:
    """Return what `attempt` returns, trying again for as long as the database cannot be reached.

    After a broken connection `confirm` is asked first: what it returns, if not None, was committed by the try
    whose answer got lost. There is no time limit: a slice waits until it is told that its epoch is stale.
    """
    pause_seconds = _FIRST_PAUSE_SECONDS
    suspects: dict[int, float] = {}
    while True:
        try:
            found = _found_after(suspects, confirm)
            return attempt() if found is None else found
        except _TRANSIENT as error:
            first_line = str(error).strip().split("\n")[0]
            logger.warning("database: %s; trying again in %.2f s", first_line, pause_seconds)
            suspects.setdefault(getattr(_backend, "pid", 0), time.monotonic())
            _drop_broken_connection()
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)


def fenced(
    sql: str,
    params: Mapping[str, Any],
    *,
    confirm_sql: str,
    before: Callable[[], None] | None = None,
    alongside: Callable[[], None] | None = None,
) -> Row:
    """Return the row of a fenced statement; `before` and `alongside` are done in the same transaction, around it.

    Raises: LeaseLost when the guard matched no row; what `alongside` raises, and then nothing is committed.
    """
    row = persist(
        lambda: (_committed(sql, params, before, alongside),), confirm=lambda: _found(confirm_sql, params)
    )[0]
    if row is None:
        raise LeaseLost
    return row


def _committed(
    sql: str,
    params: Mapping[str, Any],
    before: Callable[[], None] | None,
    alongside: Callable[[], None] | None,
) -> Row | None:
    if alongside is None:
        return execute(sql, params)
    with transaction():
        if before is not None:
            before()
        row = execute(sql, params)
        if row is not None:
            alongside()
        return row


def _found(confirm_sql: str, params: Mapping[str, Any]) -> tuple[Row | None] | None:
    row = execute(confirm_sql, params)
    return None if row is None else (row,)


def _found_after(suspects: dict[int, float], confirm: Callable[[], T | None] | None) -> T | None:
    """Return what an earlier try has committed, once none of them can be under way any more.

    `suspects` are the server processes behind broken connections, and when each broke. A statement that one of them
    is still at would be committed after the look for its token and meet its own repetition, or later what followed.

    Raises: OperationalError when one does not end in time.
    """
    for pid, broken_at in suspects.items():
        ago_seconds = time.monotonic() - broken_at
        row = execute(_END_BACKEND, {"pid": pid, "wait_ms": _END_WAIT_MS, "ago_seconds": ago_seconds})
        if row is not None and not row[0]:
            raise django.db.OperationalError(
                f"the server process {pid} of a broken connection is still at work"
            )
    return confirm() if suspects and confirm else None


def _drop_broken_connection() -> None:
    own = connections[DEFAULT_DB_ALIAS]
    if own.connection is not None and own.connection.closed:
        own.close()
